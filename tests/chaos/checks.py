"""What must be true of every job, whatever happened to the processes. Each check yields what contradicts it."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from chaos.history import JobHistory, Loss, Seen
from chaos.part_checks import PART_CHECKS, kind
from convscope.v1.jobs_pb2 import Failure, JobEvent, JobState
from support.subjects import subject

__all__ = ["CHECKS"]

SUCCEEDED = JobState.JOB_STATE_SUCCEEDED
CANCELLED = JobState.JOB_STATE_CANCELLED
FAILED = JobState.JOB_STATE_FAILED

# Ten seconds in which a job may stop by itself, seven until a lease that runs out is noticed, and what a busy machine
# takes.
STOPS_WITHIN_S = 30.0

# By how much clocks that are right may differ from the driver's, in seconds; those that are wrong are so by more.
CLOCK_SLACK_S = 30.0


def ended_once(history: JobHistory) -> Iterator[str]:
    ends = [event.sequence for event in history.log if kind(event) == "finished"]
    if len(ends) != 1:
        yield f"it finished {len(ends)} times"
    elif ends[0] != history.log[-1].sequence:
        yield f"event {history.log[-1].sequence} came after its end, event {ends[0]}"
    elif history.job.state != history.log[-1].finished.state:
        yield "its record and its last event disagree about its state"


def numbered(history: JobHistory) -> Iterator[str]:
    sequences = [event.sequence for event in history.log]
    if sequences != list(range(1, len(sequences) + 1)):
        yield f"its log has the sequences {sequences}"
    if history.job.sequence != len(sequences):
        yield f"its record says {history.job.sequence} events, its log has {len(sequences)}"


def watched_as_logged(history: JobHistory) -> Iterator[str]:
    """Check that a watcher saw what is in the log; only what came after the earliest write that Redis has lost may be
    another then.
    """
    yield from history.complaints
    for before in history.earlier:
        yield from _differing(before.events[: _kept(before, history.losses)], history.log)
    last = Seen(events=history.watched, times=history.times)
    kept = _kept(last, history.losses)
    if history.watched != history.log:
        yield from _differing(history.watched[:kept], history.log)
        if kept == len(history.watched):
            yield f"its watcher saw {kept} events of {len(history.log)}"


def _kept(seen: Seen, losses: Sequence[Loss]) -> int:
    """Return how many of the events that were seen, from the first one on, Redis cannot have lost."""
    since = min((loss.since for loss in losses if seen.times and loss.until >= seen.times[0]), default=math.inf)
    return len(seen.events) if since == math.inf else sum(time < since for time in seen.times)


def _differing(watched: Sequence[JobEvent], log: Sequence[JobEvent]) -> Iterator[str]:
    if len(watched) > len(log):
        yield f"its watcher saw {len(watched)} events, the log has {len(log)}"
    for seen, logged in zip(watched, log, strict=False):
        if seen != logged:
            yield (
                f"its watcher saw {kind(seen)} ({seen.sequence}) where the log has {kind(logged)} ({logged.sequence})"
            )
            return


def progress_rises(history: JobHistory) -> Iterator[str]:
    for name, counter in (("train_progress", "step"), ("evaluate_progress", "completed_count")):
        figures = [getattr(getattr(event, name), counter) for event in history.log if kind(event) == name]
        for first, second in pairwise(figures):
            if second <= first:
                yield f"its progress went from {counter} {first} to {second}"


def images_once(history: JobHistory) -> Iterator[str]:
    events = [event for event in history.log if kind(event) == "image_ready"]
    ready = [event.image_ready for event in events]
    for (layer, feature), count in Counter(subject(image.image) for image in ready).items():
        if count > 1:
            yield f"the image of {layer} {feature} came {count} times"
    if [image.completed_count for image in ready] != list(range(1, len(ready) + 1)):
        yield f"its images are numbered {[image.completed_count for image in ready]}"
    planned = len(history.planned)
    if history.job.state == SUCCEEDED and len(ready) != planned:
        yield f"it has {len(ready)} images, planned are {planned}"
    if {image.total_count for image in ready} - {planned}:
        yield f"its images say that there are {sorted({image.total_count for image in ready})}, planned are {planned}"


def ended_as_it_should(history: JobHistory) -> Iterator[str]:
    """Check that it succeeded, unless it was cancelled or the training that it needed did not succeed."""
    state = history.job.state
    name = JobState.Name(state)
    requested = [n for n, event in enumerate(history.log) if kind(event) == "cancel_requested"]
    if len(requested) > 1:
        yield f"{len(requested)} requests to cancel it were noted"
    if state == CANCELLED and not requested:
        yield "it ended as cancelled, without a request"
    if state == FAILED and not _needed_in_vain(history):
        yield f"it failed: {history.job.failure.message}"
    if state == SUCCEEDED and history.needs_state not in {0, SUCCEEDED}:
        yield "it succeeded, though the training that it needs did not"
    if history.cancelled and not requested and state != FAILED:
        yield f"a request to cancel it was acknowledged while it ran, and forgotten; it is {name}"
    # One that was just about to end may do so; but no attempt may begin and succeed in spite of the request.
    if state == SUCCEEDED and requested and "attempt_started" in map(kind, history.log[requested[0] :]):
        yield "it was asked to stop, started again, and succeeded"


def _needed_in_vain(history: JobHistory) -> bool:
    return history.needs_state in {CANCELLED, FAILED} and history.job.failure.reason == Failure.REASON_MODEL


def same_outcome(history: JobHistory) -> Iterator[str]:
    """Check that its outcome is, bit by bit, that of an undisturbed job like it."""
    if history.model_deleted:
        return  # and with it the outcome of a training
    if history.job.state == SUCCEEDED and (history.outcome is None or history.outcome != history.expected):
        yield "its results are not those of an undisturbed job"


def stopped_in_time(history: JobHistory) -> Iterator[str]:
    """Check that it stopped in time, not counting the seconds for which something else was wrong."""
    if history.stopped_after is not None and history.stopped_after > STOPS_WITHIN_S + history.disturbed:
        yield (
            f"it ended {history.stopped_after:.1f} s after a request to cancel it was acknowledged; faults were under "
            f"way for {history.disturbed:.1f} s of that"
        )


def timed_right(history: JobHistory) -> Iterator[str]:
    """Check that every event is from the time of the run, whatever the clocks of processes say."""
    begin, end = history.ran
    for event in history.log:
        time = event.time.ToMilliseconds() / 1000
        if not begin - CLOCK_SLACK_S < time < end + CLOCK_SLACK_S:
            yield f"event {event.sequence}, {kind(event)}, is of a time {time - begin:.1f} s after the run began"
            return


CHECKS: tuple[Callable[[JobHistory], Iterator[str]], ...] = (
    ended_once,
    numbered,
    watched_as_logged,
    progress_rises,
    images_once,
    ended_as_it_should,
    same_outcome,
    stopped_in_time,
    timed_right,
    *PART_CHECKS,
)
