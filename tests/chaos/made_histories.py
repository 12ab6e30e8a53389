"""Histories of jobs, made up event by event."""

import copy
from collections.abc import Sequence

from chaos.history import Asked, JobHistory
from convscope.v1.evaluate_pb2 import EvaluateProgress
from convscope.v1.feature_pb2 import Feature
from convscope.v1.jobs_pb2 import (
    AttemptLost,
    AttemptStarted,
    CancelRequested,
    Estimate,
    Job,
    JobEvent,
    JobFinished,
    JobQueued,
    JobState,
)
from convscope.v1.train_pb2 import TrainProgress
from convscope.v1.visualize_pb2 import Image, ImageReady

__all__ = [
    "ASKED_TO_STOP",
    "QUEUED",
    "SUCCEEDED",
    "classified",
    "finished",
    "history",
    "image",
    "lost",
    "planned",
    "started",
    "step",
]

SUCCEEDED = JobState.JOB_STATE_SUCCEEDED


def started(attempt: int, *, part: int = 0, worker: str = "", resumed: int = 0) -> JobEvent:
    return JobEvent(
        attempt_started=AttemptStarted(part=part, attempt=attempt, worker=worker or f"w{part}", image_count=resumed)
    )


def lost(attempt: int, *, part: int = 0) -> JobEvent:
    return JobEvent(attempt_lost=AttemptLost(part=part, attempt=attempt))


def step(number: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=number))


def classified(number: int) -> JobEvent:
    return JobEvent(evaluate_progress=EvaluateProgress(completed_count=number))


def image(feature: int, completed: int, total: int = 2, *, cached: bool = False) -> JobEvent:
    named = Image(feature=Feature(layer="conv1", index=feature))
    return JobEvent(image_ready=ImageReady(image=named, completed_count=completed, total_count=total, cached=cached))


def finished(state: int = SUCCEEDED) -> JobEvent:
    return JobEvent(finished=JobFinished(state=JobState.ValueType(state)))


QUEUED = JobEvent(queued=JobQueued())
ASKED_TO_STOP = JobEvent(cancel_requested=CancelRequested())


def planned(*sizes: int) -> list[frozenset[tuple[str, int]]]:
    """Return parts of so many images each, one feature after the other."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [
        frozenset(("conv1", feature) for feature in range(start, start + size))
        for start, size in zip(starts, sizes, strict=True)
    ]


def history(
    *events: JobEvent, state: int = SUCCEEDED, parts: Sequence[frozenset[tuple[str, int]]] = (), done: int | None = None
) -> JobHistory:
    """Return a job with these events, numbered, and watched without a gap.

    Args:
        events: what happened.
        state: how the job stands.
        parts: of a visualization, what they have.
        done: how many of them are said to be done; default: all if it succeeded, else none.
    """
    log = [copy.deepcopy(event) for event in events]
    for sequence, event in enumerate(log, 1):
        event.sequence = sequence
    count = max(1, len(parts))
    ended = done if done is not None else count * (state == SUCCEEDED)
    return JobHistory(
        asked=Asked(request_id="r", recipe="a", kind="visualize" if parts else "train"),
        job=Job(
            state=JobState.ValueType(state),
            sequence=len(log),
            estimate=Estimate(part_count=count),
            ended_part_count=ended,
        ),
        log=log,
        watched=list(log),
        outcome="bits",
        expected="bits",
        parts=parts,
    )
