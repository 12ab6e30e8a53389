"""What a run has shown, for people."""

import statistics
from collections import Counter
from collections.abc import Iterator

from chaos.run import Outcome
from convscope.v1.jobs_pb2 import JobState

__all__ = ["recovery_times", "summary"]


def summary(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of a summary."""
    kinds = len({fault.kind for fault in outcome.faults})
    yield f"{len(outcome.faults)} faults of {kinds} kinds: {_counts(fault.kind for fault in outcome.faults)}"
    if outcome.losses:
        lost = sum(loss.until - loss.since for loss in outcome.losses)
        yield f"Redis lost its last writes {len(outcome.losses)} times, {lost:.1f} s in all"
    yield f"{outcome.deleted['jobs']} jobs and {outcome.deleted['models']} models were deleted"
    ends = (
        f"{history.asked.kind} {JobState.Name(history.job.state).removeprefix('JOB_STATE_').lower()}"
        for history in outcome.histories
    )
    yield f"{len(outcome.histories)} jobs: {_counts(ends)}"
    attempts = Counter(
        (history.job.name, event.attempt_started.part)
        for history in outcome.histories
        for event in history.log
        if event.HasField("attempt_started")
    )
    events = sum(len(history.log) for history in outcome.histories)
    most = max(attempts.values(), default=0)
    yield f"{attempts.total()} attempts at {len(attempts)} parts, at most {most} at one; {events} events"
    yield f"watches were resumed {outcome.resumed_watches} times"
    for kind in ("kill executor", "kill worker"):
        queued, running = recovery_times(outcome, kind)
        if queued:
            yield f"{kind}: its part was queued again after {_spread(queued)}, and ran after {_spread(running)}"
    yield f"{outcome.checks} checks, {len(outcome.violations)} violations"
    yield from (f"  VIOLATION {violation}" for violation in outcome.violations)
    yield f"seed {outcome.plan.seed}"


def recovery_times(outcome: Outcome, kind: str) -> tuple[list[float], list[float]]:
    """Return how long after each fault of a kind the part was queued again, and ran again, in seconds.

    The second includes the time for which no worker was free, and other faults that came in between.
    """
    logs = {history.job.name: history.log for history in outcome.histories}
    queued, running = [], []
    for blow in outcome.blows:
        log = logs.get(f"jobs/{blow.job_id}", [])
        if blow.fault.kind != kind:
            continue
        for event in log:
            after = event.time.ToMilliseconds() / 1000 - blow.fault.at
            if (event.attempt_lost.part, event.attempt_lost.attempt) == (blow.part, blow.attempt):
                queued.append(after)
            if (event.attempt_started.part, event.attempt_started.attempt) == (blow.part, blow.attempt + 1):
                running.append(after)
    return queued, running


def _counts(names: Iterator[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items()))


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "nothing"
    return f"{statistics.median(seconds):.1f} s (median of {len(seconds)}, at most {max(seconds):.1f} s)"
