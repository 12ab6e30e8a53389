"""What must be true of the attempts at the parts of a job, which several workers compute at once."""

from collections import Counter
from collections.abc import Iterator, Mapping

from chaos.history import JobHistory
from convscope.v1.jobs_pb2 import AttemptStarted, JobEvent, JobState
from support.subjects import subject

__all__ = ["PART_CHECKS"]

# Events that only a running attempt can cause.
OF_AN_ATTEMPT = {"train_progress", "evaluate_progress", "image_ready", "checkpoint_unreadable"}


def kind(event: JobEvent) -> str:
    return event.WhichOneof("event") or "nothing"


def with_running_attempts(history: JobHistory) -> Iterator[tuple[JobEvent, str, Mapping[int, AttemptStarted]]]:
    """Yield each event with its kind and, by part, the attempts that run before it as far as the log tells.

    It tells of starts and losses. It does not tell of a part's end, nor of one that is given back while others run; a
    job is queued again when no part of it runs.
    """
    running: dict[int, AttemptStarted] = {}
    for event in history.log:
        yield event, kind(event), running
        match kind(event):
            case "attempt_started":
                running[event.attempt_started.part] = event.attempt_started
            case "attempt_lost":
                running.pop(event.attempt_lost.part, None)
            case "queued" | "waiting":
                running.clear()


def attempts_in_turn(history: JobHistory) -> Iterator[str]:
    """Check that attempts at a part are numbered 1, 2, 3, ..., that lost ones had started, and that none starts while
    another runs; though it may have been given back without an event if another part ran.
    """
    latest: dict[int, int] = {}
    for event, what, running in with_running_attempts(history):
        if what == "attempt_started":
            part, number = event.attempt_started.part, event.attempt_started.attempt
            if number != latest.get(part, 0) + 1 or set(running) == {part}:
                yield f"attempt {number} at part {part} started after attempt {latest.get(part, 0)}"
            latest[part] = number
        if what == "attempt_lost":
            part, number = event.attempt_lost.part, event.attempt_lost.attempt
            if part not in running or running[part].attempt != number:
                yield f"attempt {number} at part {part} was lost when it did not run"


def written_by_running_attempts(history: JobHistory) -> Iterator[str]:
    """Check that what only an attempt can cause comes while one runs at that part, never from a superseded one."""
    for event, what, running in with_running_attempts(history):
        if what in OF_AN_ATTEMPT and not parts_of(history, event) & running.keys():
            yield f"{what} ({event.sequence}) came when no attempt ran: a superseded one wrote it"


def one_part_a_worker(history: JobHistory) -> Iterator[str]:
    """Check that a worker starts a part when it has no other: that one is complete, lost or given back; not counted is
    what it shares with others, since candidates are not events.
    """
    ready: set[tuple[str, int]] = set()
    began: dict[int, float] = {}
    for event, what, running in with_running_attempts(history):
        if what == "image_ready":
            ready.add(subject(event.image_ready.image))
        if what != "attempt_started":
            continue
        started, now = event.attempt_started, event.time.ToMilliseconds() / 1000
        for held in running.values():
            if any(loss.may_cover(began[held.part], now) for loss in history.losses):
                continue  # it had ended that one, and Redis does not know
            if held.worker == started.worker and not ready.issuperset(history.features_of(held.part) - history.shared):
                yield f"{held.worker} started part {started.part} while it had part {held.part}"
        began[started.part] = now


def queued_before_started(history: JobHistory) -> Iterator[str]:
    """Check that a part starts only after the job was queued, when no other part runs."""
    queued = False
    for event, what, running in with_running_attempts(history):
        if what == "attempt_started" and not (queued or running):
            yield f"attempt {event.attempt_started.attempt} at part {event.attempt_started.part} was not queued"
        if what in {"queued", "attempt_started"}:
            queued = what == "queued"


def resumes_with_what_is_stored(history: JobHistory) -> Iterator[str]:
    """Check that an attempt resumes from just those images that are stored, up to the last one that was computed, and
    from any number of candidates for images that the part shares.
    """
    ready: Counter[int] = Counter()
    kept: Counter[int] = Counter()
    for event in history.log if history.parts else ():
        if event.HasField("image_ready") and subject(event.image_ready.image) not in history.shared:
            for part in parts_of(history, event):
                ready[part] += 1
                if not event.image_ready.cached:
                    kept[part] = ready[part]
        if event.HasField("attempt_started"):
            part, resumed = event.attempt_started.part, event.attempt_started.image_count
            candidates = len(history.features_of(part) & history.shared)
            most = ready[part] + candidates if candidates else kept[part]
            if not kept[part] <= resumed <= most:
                yield f"part {part} was resumed from {resumed} images when {kept[part]} to {most} were stored"


def parts_done(history: JobHistory) -> Iterator[str]:
    """Check that a job that succeeded has done all planned parts, and that no job has done more than it has."""
    job = history.job
    planned = len(history.parts) or 1
    parts, done = job.estimate.part_count, job.ended_part_count
    if parts != planned:
        yield f"it has {parts} parts, planned are {planned}"
    if done > parts:
        yield f"{done} parts of {parts} are done"
    if job.state != JobState.JOB_STATE_SUCCEEDED:
        return
    started = {event.attempt_started.part for event in history.log if event.HasField("attempt_started")}
    if done != parts or started != set(range(parts)):
        yield f"it succeeded with {done} parts of {parts} done; started were {sorted(started)}"


def parts_of(history: JobHistory, event: JobEvent) -> set[int]:
    """Return the parts of which one may have caused an event; none for an image that is in no part."""
    if not event.HasField("image_ready"):
        return {0}
    return {number for number, features in enumerate(history.parts) if subject(event.image_ready.image) in features}


PART_CHECKS = (
    attempts_in_turn,
    written_by_running_attempts,
    one_part_a_worker,
    queued_before_started,
    resumes_with_what_is_stored,
    parts_done,
)
