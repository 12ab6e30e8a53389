"""What happens to a job, as typed values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from convscope.client.enums import FailureReason, JobState, from_wire
from convscope.client.images import Image
from convscope.client.paths import argument_path
from convscope.client.results import Result, result_from_wire
from convscope.client.times import seconds_from_wire, time_from_wire
from convscope.v1 import evaluate_pb2, jobs_pb2, train_pb2, visualize_pb2

__all__ = [
    "AttemptLost",
    "AttemptStarted",
    "CancelRequested",
    "CheckpointUnreadable",
    "EvaluateProgress",
    "Event",
    "Failure",
    "Finished",
    "ImageReady",
    "Queued",
    "TrainProgress",
    "Waiting",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Event:
    """Something that happened to a job.

    Attributes:
        sequence: 1, 2, 3, ... within the job, without gaps.
        time: When it happened, UTC.
        log_token: Stands for the job's log up to this event, for ``Job.watch``; empty from a server that has none.
    """

    sequence: int
    time: datetime
    log_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waiting(Event):
    """The job waits for ``resource``, ``models/{id}`` or ``datasets/{id}``, which another job creates."""

    resource: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Queued(Event):
    """The job, or a part that was released, is ready for a worker."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttemptStarted(Event):
    """A worker starts the job, or a part of it.

    Attributes:
        part: Number of the part, from 0.
        attempt: Number of the attempt at this part, from 1.
        worker: ``workers/{id}``.
        environment: Versions and settings that decide the exact bits.
        step: The step of the checkpoint that training resumes from; None if there is none.
        image_count: How many of the part's images are stored already; None if there are none.
    """

    part: int
    attempt: int
    worker: str
    environment: Mapping[str, str]
    step: int | None
    image_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttemptLost(Event):
    """An attempt ended without a result, because its worker died or stopped responding.

    Attributes:
        part: Number of the part, from 0.
        attempt: Number of the attempt, from 1.
        cause: What is known of its end.
    """

    part: int
    attempt: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckpointUnreadable(Event):
    """A checkpoint cannot be read; training resumes from the one before, or restarts from the beginning.

    Attributes:
        step: The checkpoint's step.
        cause: Why.
    """

    step: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CancelRequested(Event):
    """The job was asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainProgress(Event):
    """How training stands after a step.

    Attributes:
        step: Steps done, from the very first step of the model's lineage; >= 1.
        last_step: The step at which this run ends.
        loss: Mean cross-entropy of the step's batch before its update, in nats.
        batch_accuracy: Share of the step's batch that is right after its update, 0 to 1.
        steps_per_second: Speed since the report before; None in a run's first report.
        remaining_seconds: Estimated time to the end of the run; None in a run's first report.
        validation_accuracy: Accuracy on the validation split, 0 to 1; None where it was not measured.
    """

    step: int
    last_step: int
    loss: float
    batch_accuracy: float
    steps_per_second: float | None
    remaining_seconds: float | None
    validation_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluateProgress(Event):
    """How far an evaluation is: images classified, of how many."""

    completed_count: int
    total_count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageReady(Event):
    """An image is ready.

    Attributes:
        image: The image.
        completed_count: Images ready so far, this one included.
        total_count: Images in the whole job.
        cached: Whether it was stored already and not computed again.
    """

    image: Image
    completed_count: int
    total_count: int
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job failed: ``reason`` for programs, ``message`` for people.

    ``fields`` maps each argument that did not fit the model which the job had waited for to what is wrong with it.
    """

    reason: FailureReason | None
    message: str
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished(Event):
    """The job has ended; always the last event.

    Attributes:
        state: ``succeeded``, ``failed`` or ``cancelled``.
        failure: Only if it failed, or was cancelled with a reason.
        result: Only if it succeeded; without a training's history and a visualization's images, which ``Job.result``
            adds.
    """

    state: JobState
    failure: Failure | None
    result: Result | None


def event_from_wire(message: jobs_pb2.JobEvent) -> Event:
    """Return the event of a message; a bare ``Event`` where this client does not know the kind."""
    head: dict[str, Any] = {
        "sequence": message.sequence,
        "time": time_from_wire(message.time),
        "log_token": message.log_token,
    }
    kind = message.WhichOneof("event")
    return _READERS[kind](head, getattr(message, kind)) if kind else Event(**head)


def failure_from_wire(message: jobs_pb2.Failure) -> Failure:
    """Return the failure of a message; a reason that is not set is None."""
    reason = from_wire(FailureReason, jobs_pb2.Failure.Reason.Name, message.reason) if message.reason else None
    fields = {argument_path(violation.field): violation.description for violation in message.violations}
    return Failure(reason=reason, message=message.message, fields=MappingProxyType(fields))


def _attempt(head: dict[str, Any], message: jobs_pb2.AttemptStarted) -> AttemptStarted:
    environment = MappingProxyType(dict(message.environment))
    return AttemptStarted(
        **head,
        part=message.part,
        attempt=message.attempt,
        worker=message.worker,
        environment=environment,
        step=message.step if message.HasField("step") else None,
        image_count=message.image_count if message.HasField("image_count") else None,
    )


def _lost(head: dict[str, Any], message: jobs_pb2.AttemptLost) -> AttemptLost:
    return AttemptLost(**head, part=message.part, attempt=message.attempt, cause=message.cause)


def _unreadable(head: dict[str, Any], message: jobs_pb2.CheckpointUnreadable) -> CheckpointUnreadable:
    return CheckpointUnreadable(**head, step=message.step, cause=message.cause)


def _training(head: dict[str, Any], message: train_pb2.TrainProgress) -> TrainProgress:
    return TrainProgress(
        **head,
        step=message.step,
        last_step=message.last_step,
        loss=message.loss,
        batch_accuracy=message.batch_accuracy,
        steps_per_second=message.steps_per_second if message.HasField("steps_per_second") else None,
        remaining_seconds=seconds_from_wire(message.remaining_duration)
        if message.HasField("remaining_duration")
        else None,
        validation_accuracy=message.validation_accuracy if message.HasField("validation_accuracy") else None,
    )


def _evaluating(head: dict[str, Any], message: evaluate_pb2.EvaluateProgress) -> EvaluateProgress:
    return EvaluateProgress(**head, completed_count=message.completed_count, total_count=message.total_count)


def _image(head: dict[str, Any], message: visualize_pb2.ImageReady) -> ImageReady:
    image = Image.from_wire(message.image)
    return ImageReady(
        **head,
        image=image,
        completed_count=message.completed_count,
        total_count=message.total_count,
        cached=message.cached,
    )


def _finished(head: dict[str, Any], message: jobs_pb2.JobFinished) -> Finished:
    return Finished(
        **head,
        state=from_wire(JobState, jobs_pb2.JobState.Name, message.state),
        failure=failure_from_wire(message.failure) if message.HasField("failure") else None,
        result=result_from_wire(message.result) if message.HasField("result") else None,
    )


_READERS: dict[str, Callable[[dict[str, Any], Any], Event]] = {
    "waiting": lambda head, message: Waiting(**head, resource=message.resource),
    "queued": lambda head, _: Queued(**head),
    "attempt_started": _attempt,
    "cancel_requested": lambda head, _: CancelRequested(**head),
    "train_progress": _training,
    "evaluate_progress": _evaluating,
    "image_ready": _image,
    "attempt_lost": _lost,
    "checkpoint_unreadable": _unreadable,
    "finished": _finished,
}
