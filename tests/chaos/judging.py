"""Reads everything back when a run is over: what happened to each job, and what is missing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chaos import results
from chaos.calls import Calls
from chaos.faults import Fault
from chaos.history import JobHistory, Loss
from chaos.load import Load, Request, Submitted
from convscope.client import ConvscopeError
from convscope.v1.jobs_pb2 import Job, JobState
from convscope.v1.models_pb2 import Layer

__all__ = ["Evidence", "disturbed", "may_be_lost"]

# For how long a fault has effects when it is over, in seconds: leases run out, processes start, leads change.
AFTERMATH_S = 8.0

# How exactly the driver knows when something happened, in seconds.
SLACK_S = 1.0


def may_be_lost(request: Request | None, losses: Sequence[Loss]) -> bool:
    """Return whether Redis may have lost what was asked for."""
    if request is None:
        return False
    until = request.acknowledged or time.time()
    return any(loss.may_cover(request.began, until) for loss in losses)


def disturbed(since: float, until: float, faults: Sequence[Fault]) -> float:
    """Return for how many seconds between two times something was wrong, each fault counted by itself."""
    spans = [(max(since, fault.at), min(until, fault.at + fault.seconds + AFTERMATH_S)) for fault in faults]
    return sum(max(0.0, end - begin) for begin, end in spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a run has left.

    Attributes:
        calls: the services.
        jobs: all jobs there are.
        faults: those that were made.
        losses: what Redis has lost.
        began: when the run began, in seconds since 1970.
        layers: those of any model of the run; all have the same.
        violations: what contradicts the rules; noted here.
    """

    calls: Calls
    jobs: Sequence[Job]
    faults: Sequence[Fault]
    losses: Sequence[Loss]
    began: float
    layers: Sequence[Layer]
    violations: list[str] = field(default_factory=list)

    def histories(self, load: Load) -> Iterator[JobHistory]:
        """Yield every job of a load that is there: acknowledged, or made without the client hearing of it."""
        by_request = {job.request_id: job for job in self.jobs}
        acknowledged = {submitted.asked.request_id: submitted for submitted in load.submitted}
        states = {request_id: _seen_end(submitted) for request_id, submitted in acknowledged.items()}
        states |= {request_id: job.state for request_id, job in by_request.items() if job.HasField("end_time")}
        self._check_refusals(load)
        for request_id in load.tried:
            submitted, listed = acknowledged.get(request_id), by_request.get(request_id)
            if submitted:
                self.violations.extend(self._contradictions(submitted, listed))
            if listed is None or (submitted and submitted.deletion and submitted.deletion.acknowledged):
                continue  # one that is there though it was deleted need not be whole
            try:
                yield from self._history(load, submitted, listed, states)
            except ConvscopeError as error:
                self.violations.append(f"{listed.name} cannot be read: {error}")

    def _contradictions(self, submitted: Submitted, listed: Job | None) -> Iterator[str]:
        name, deletion, watcher = submitted.job.name, submitted.deletion, submitted.watcher
        deleted = deletion is not None and deletion.acknowledged is not None
        if listed is None and deletion is None and not may_be_lost(submitted.creation, self.losses):
            yield f"{name} was acknowledged and does not exist"
        if listed is not None and listed.name != name:
            yield f"{name} was acknowledged, but its request made {listed.name}"
        if listed is not None and deleted and not may_be_lost(deletion, self.losses):
            yield f"{name} was deleted, and is there"
        if watcher.unknown_since is not None and not may_be_lost(submitted.creation, self.losses):
            yield f"the watcher of {name} was told that it is unknown"
        for told_at in watcher.told_of_loss:
            if not any(loss.until <= told_at + SLACK_S for loss in self.losses):
                yield f"the watcher of {name} was told of a loss, and Redis had lost nothing"

    def _check_refusals(self, load: Load) -> None:
        for training in load.refused:
            if not training.model_deletion and not may_be_lost(training.creation, self.losses):
                self.violations.append(f"{training.job.model} is unknown to a job that works on it")

    def _history(
        self, load: Load, submitted: Submitted | None, listed: Job, states: Mapping[str, JobState.ValueType]
    ) -> Iterator[JobHistory]:
        job = results.read_job(self.calls, listed.name)
        asked = load.tried[listed.request_id]
        if not job.HasField("end_time"):
            self.violations.append(f"{job.name} ({asked.kind}) has not ended: {str(listed)[:300]}")
            return
        log = results.read_log(self.calls, job)
        deleted = bool(submitted and submitted.model_deletion)
        stopped_after, of_that_disturbed = self._stop(submitted)
        yield JobHistory(
            asked=asked,
            job=job,
            log=log,
            watched=submitted.watcher.events if submitted else log,
            times=submitted.watcher.seen.times if submitted else [],
            earlier=submitted.watcher.earlier if submitted else [],
            complaints=submitted.watcher.complaints if submitted else [],
            losses=self.losses,
            ran=(self.began, time.time()),
            cancelled=bool(submitted and submitted.cancelled and not may_be_lost(submitted.cancel, self.losses)),
            stopped_after=stopped_after,
            disturbed=of_that_disturbed,
            model_deleted=deleted,
            outcome=None if deleted else results.outcome_of(self.calls, job, log),
            parts=results.parts_of(self.calls, job, self._layers_of(load)),
            needs_state=states.get(asked.needs, JobState.JOB_STATE_UNSPECIFIED),
        )

    def _stop(self, submitted: Submitted | None) -> tuple[float | None, float]:
        """Return how long it took a job to stop after it was asked to, and how long something was wrong meanwhile."""
        request = submitted.cancel if submitted else None
        if submitted is None or request is None or request.acknowledged is None or not submitted.watcher.seen.times:
            return None, 0.0
        if not submitted.cancelled or may_be_lost(request, self.losses):
            return None, 0.0
        ended = submitted.watcher.seen.times[-1]
        return ended - request.acknowledged, disturbed(request.acknowledged, ended, self.faults)

    def _layers_of(self, load: Load) -> Mapping[str, Sequence[Layer]]:
        return {submitted.job.model: self.layers for submitted in load.submitted if submitted.job.model}


def _seen_end(submitted: Submitted) -> JobState.ValueType:
    """Return the state in which a watcher has seen a job end; 0 if it has not."""
    events = submitted.watcher.events
    return events[-1].finished.state if events else JobState.JOB_STATE_UNSPECIFIED
