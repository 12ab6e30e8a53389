"""A job on the server."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from google.protobuf import json_format

from convscope.client import checks
from convscope.client.connection import Connection
from convscope.client.enums import Device, JobKind, JobState, Priority, from_wire
from convscope.client.errors import (
    DataLoss,
    DeadlineExceeded,
    InvalidValue,
    JobCancelled,
    JobFailed,
    NotFound,
    ProtocolError,
)
from convscope.client.evaluation import MATRIX_FILE, EvaluateResult, Misclassified, matrix_from_file
from convscope.client.events import Event, Failure, Finished, ImageReady, event_from_wire, failure_from_wire
from convscope.client.examples import Example, listed_examples
from convscope.client.files import File, listed_files, read_file, save_file
from convscope.client.history import model_history
from convscope.client.image_pages import listed_images
from convscope.client.images import Image
from convscope.client.results import Result, TrainResult, VisualizeResult, result_from_wire
from convscope.client.selections import asked_features, objective_names
from convscope.client.times import seconds_from_wire, time_from_wire
from convscope.client.waiting import WaitingReason
from convscope.client.watching import patiently, watch
from convscope.v1 import device_pb2, images_pb2, jobs_pb2

__all__ = ["Estimate", "Job", "JobInfo"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job takes, by estimate.

    Attributes:
        part_count: Number of its parts, each computed by one worker in one go.
        compute_seconds: Time that one worker needs for it.
        stored_bytes: Bytes that it stores.
    """

    part_count: int
    compute_seconds: float
    stored_bytes: int

    @classmethod
    def from_wire(cls, message: jobs_pb2.Estimate) -> "Estimate":
        """The estimate in a message."""
        return cls(
            part_count=message.part_count,
            compute_seconds=seconds_from_wire(message.compute_duration),
            stored_bytes=message.stored_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """How a job stood when the server was last asked.

    Attributes:
        name: `jobs/{id}`; empty if the job was only validated.
        kind: Train, evaluate or visualize.
        state: Where it is in its life.
        model: `models/{id}` that it makes, or that it looks at; of the latter, empty where `spec` is.
        spec: What it does, every default filled in (as it was sent while it waits for what decides them), as the JSON
            of its message: 64-bit integers are strings, and what is 0, false or empty is left out unless it was set.
            Empty in listings; `Job.spec` asks for it.
        request_id: The id of the request that made it.
        create_time: When it was created, UTC; None if it was only validated.
        start_time: When a worker first started it; None before.
        end_time: When it ended; None before.
        sequence: Sequence number of its latest event, >= 1.
        cancel_requested: Whether it was asked to stop.
        failure: Why it failed; None unless it did, or was cancelled with a reason.
        priority: How soon it is taken up.
        device: What it runs on.
        display_name: What people call it; empty if nothing was said.
        labels: What programs find it by.
        owner: Whose it is.
        timeout: Seconds that it may run from its first start on; None if there is no limit.
        estimate: What it takes; None while that cannot be said.
        ended_part_count: How many of its parts have ended.
        waiting: Why it waits, as of then; None if it does not. Listings tell it only of jobs that wait for a model.
    """

    name: str
    kind: JobKind
    state: JobState
    model: str
    spec: Mapping[str, Any]
    request_id: str
    create_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    sequence: int
    cancel_requested: bool
    failure: Failure | None
    priority: Priority = Priority.NORMAL
    device: Device = Device.ANY
    display_name: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    owner: str = ""
    timeout: float | None = None
    estimate: "Estimate | None" = None
    ended_part_count: int = 0
    waiting: WaitingReason | None = None

    @classmethod
    def from_wire(cls, message: jobs_pb2.Job) -> "JobInfo":
        """The information in a message."""
        if not message.kind:
            raise ProtocolError(f"{message.name} is of a kind that this client does not know")
        kind = from_wire(JobKind, jobs_pb2.JobKind.Name, message.kind)
        chosen = message.effective_spec if message.HasField("effective_spec") else message.spec
        name = chosen.WhichOneof("kind")
        spec = getattr(chosen, name) if name else None
        return cls(
            name=message.name,
            kind=kind,
            state=from_wire(JobState, jobs_pb2.JobState.Name, message.state),
            model=message.model or getattr(spec, "model", ""),
            spec=MappingProxyType(
                json_format.MessageToDict(spec, preserving_proto_field_name=True) if spec is not None else {}
            ),
            request_id=message.request_id,
            create_time=time_from_wire(message.create_time) if message.HasField("create_time") else None,
            start_time=time_from_wire(message.start_time) if message.HasField("start_time") else None,
            end_time=time_from_wire(message.end_time) if message.HasField("end_time") else None,
            sequence=message.sequence,
            cancel_requested=message.cancel_requested,
            failure=failure_from_wire(message.failure) if message.HasField("failure") else None,
            priority=from_wire(Priority, jobs_pb2.Priority.Name, message.priority or jobs_pb2.PRIORITY_NORMAL),
            device=from_wire(Device, device_pb2.Device.Name, message.device or device_pb2.DEVICE_ANY),
            display_name=message.display_name,
            labels=MappingProxyType(dict(message.labels)),
            owner=message.owner,
            timeout=seconds_from_wire(message.timeout) if message.HasField("timeout") else None,
            estimate=Estimate.from_wire(message.estimate) if message.HasField("estimate") else None,
            ended_part_count=message.ended_part_count,
            waiting=WaitingReason.from_wire(message.waiting) if message.HasField("waiting") else None,
        )


class Job(Generic[R]):
    """A handle on a job whose result is an `R`. Many handles may follow the same job.

    That of a job which was only validated has no name; all that can be done with it is to look at its `info`.

    A handle got by name asks nothing by itself: `kind`, `model`, `spec` and `info` ask the server when they are first
    used, and raise what `refresh` raises. One from a listing asks for `spec`, and for the `model` that it looks at.
    """

    def __init__(self, connection: Connection, name: str, info: JobInfo | None = None) -> None:
        self._connection = connection
        self._name = name
        self._info = info

    def __repr__(self) -> str:
        if self._info is None:
            return f"<job {self.name}>"
        return f"<{self._info.kind} {self.name}: {self._info.state} when last seen>"

    @property
    def name(self) -> str:
        """`jobs/{id}`; empty if the job was only validated."""
        return self._name

    @property
    def kind(self) -> JobKind:
        """Train, evaluate or visualize."""
        return self.info.kind

    @property
    def model(self) -> str:
        """`models/{id}` that it makes, or that it looks at. Other jobs may name it at once."""
        return self.info.model or self.refresh().model

    @property
    def spec(self) -> Mapping[str, Any]:
        """What it does; see `JobInfo.spec`."""
        return self.info.spec or self.refresh().spec

    @property
    def info(self) -> JobInfo:
        """How the job stood when the server was last asked; it is asked now if it never was."""
        return self._info or self.refresh()

    def refresh(self) -> JobInfo:
        """Asks the server how the job stands.

        Raises:
            NotFound: There is no such job.
            DataLoss: Its stored result is missing or damaged; it can be deleted all the same.
            ServiceError: Any other refusal.
        """
        self._info = info = JobInfo.from_wire(self._get())
        return info

    def state(self) -> JobState:
        """Asks the server where the job is in its life."""
        return self.refresh().state

    def watch(self, after_sequence: int = 0, *, after_token: str = "") -> Iterator[Event]:
        """The job's events in order: those after `after_sequence` that have happened, then those to come.

        Ends after `Finished`. A connection that breaks is taken up again where it broke; a program that was stopped
        goes on with `sequence` and `log_token` of the last event that it saw.

        Args:
            after_sequence: Sequence number of the last event seen; 0 for all events.
            after_token: That event's `log_token`. Given, a log that lost the event is noticed even if it has grown
                beyond it since.

        Raises:
            InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
            Unavailable: The server was away for longer than the client's patience.
            DataLoss: The server has lost events, or a stored image or result is missing or damaged; `refresh` tells how
                the job stands.
            ServiceError: Any other refusal.
        """
        after_sequence = checks.int64("after_sequence", after_sequence)
        token = checks.text("after_token", after_token) if after_token != "" else ""
        return map(event_from_wire, watch(self._connection, self._made(), after_sequence, token))

    def result(self, *, progress: bool | Callable[[Event], None] = False, timeout: float | None = None) -> R:
        """Waits for the job to end and returns what it found.

        That of a visualization holds all of its images; `watch` and `Client.images` give them one by one.

        Args:
            progress: True shows a progress bar in a terminal or notebook; a function is called with each event.
            timeout: Seconds to wait at most.

        Raises:
            JobFailed: It failed.
            JobCancelled: It was cancelled.
            DeadlineExceeded: It has not ended within `timeout`; it goes on.
            ServiceError: The server refused, or was away for longer than the client's patience.
        """
        self._made()
        deadline = None if timeout is None else time.monotonic() + checks.real("timeout", timeout)
        try:
            info = self._info
            if info is None or not info.spec:
                info = patiently(self._connection, self.refresh, deadline=deadline)
            with _display(info, progress) as show:
                found = self._wait(show, deadline)
        except DeadlineExceeded:
            if timeout is None:
                raise
            raise DeadlineExceeded(f"{self.name} has not ended within {timeout:g} s; it goes on") from None
        return cast("R", found)

    def examples(self, *, image_format: str = "float32") -> Iterator[Example]:
        """The misclassified examples that an evaluation kept, in the split's order; pages are fetched as needed.

        Args:
            image_format: `float32`; `png` for the image as a file; `none` for what is known of it, without either.

        Raises:
            InvalidValue: An unknown format; nothing was sent.
            InvalidArgument: The job is not an evaluation, or the images cannot be had in this format.
            FailedPrecondition: It has not succeeded.
            NotFound: There is no such job.
            DataLoss: What is stored is missing or damaged.
        """
        return listed_examples(self._connection, self._made(), image_format)

    def files(self) -> Iterator[File]:
        """The job's files that are complete, by name; pages are fetched as needed.

        An evaluation leaves `confusion-matrix.npy`: int64 [classes, classes], rows true, columns predicted classes.

        Raises:
            NotFound: There is no such job.
        """
        return listed_files(self._connection, self._made())

    def read_file(self, name: str) -> bytes:
        """The bytes of one of the job's files, with the SHA-256 that they are to have.

        A connection that breaks is taken up again where it broke.

        Args:
            name: Its name, as `confusion-matrix.npy` or `File.name`.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DataLoss: The stored file is missing or damaged, or what arrived is.
        """
        return read_file(self._connection, self._made(), name)

    def save_file(self, name: str, path: str | os.PathLike[str]) -> Path:
        """Saves one of the job's files. It appears at `path` only when it is whole and its SHA-256 is right.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DataLoss: The stored file is missing or damaged, or what arrived is.
            OSError: The folder does not exist or cannot be written.
        """
        return save_file(self._connection, self._made(), name, Path(path))

    def cancel(self) -> JobInfo:
        """Asks the job to stop; one that has ended is left as it is."""
        request = jobs_pb2.CancelJobRequest(name=self._made())
        info = JobInfo.from_wire(self._connection.call(self._connection.jobs.CancelJob, request))
        if self._info:
            info = replace(info, model=self._info.model, spec=self._info.spec)
        self._info = info
        return info

    def delete(self) -> None:
        """Deletes the job, which must have ended, with its events. The model that it made stays."""
        self._connection.call(self._connection.jobs.DeleteJob, jobs_pb2.DeleteJobRequest(name=self._made()))

    def _made(self) -> str:
        """The job's name.

        Raises:
            InvalidValue: It was only validated.
        """
        if not self._name:
            raise InvalidValue("job: there is none, it was only validated; submit it without validate_only")
        return self._name

    def _get(self) -> jobs_pb2.Job:
        return self._connection.call(self._connection.jobs.GetJob, jobs_pb2.GetJobRequest(name=self._made()))

    def _wait(self, show: Callable[[Event], None], deadline: float | None) -> Result:
        """The result, from the record where the job has ended already, else from the events."""
        after = 0
        if self.kind is not JobKind.VISUALIZE:
            record = patiently(self._connection, self._get, deadline=deadline)
            self._info = info = JobInfo.from_wire(record)
            if info.state.is_terminal:
                return self._conclude(info.state, info.failure, result_from_wire(record.result), ())
            after = max(info.sequence - 1, 0)
        images: dict[tuple[str, int, int], Image] = {}  # the last one counts, should an image come twice
        on_waiting = getattr(show, "waiting", None)  # of our own bar; a function gets events alone
        for message in watch(self._connection, self.name, after, deadline=deadline, on_waiting=on_waiting):
            event = event_from_wire(message)
            show(event)
            if isinstance(event, ImageReady):
                images[event.image.layer, event.image.feature, event.image.restart] = event.image
            elif isinstance(event, Finished):
                return self._conclude(event.state, event.failure, event.result, images.values())
        raise ProtocolError(f"the events of {self.name} ended before the job")  # pragma: no cover

    def _conclude(
        self, state: JobState, failure: Failure | None, result: Result | None, images: Iterable[Image]
    ) -> Result:
        if state is JobState.CANCELLED:
            raise JobCancelled(self.name, failure.message if failure else "")
        if state is not JobState.SUCCEEDED or result is None:
            failure = failure or Failure(reason=None, message="the server did not say why")
            raise JobFailed(self.name, failure.reason or "unknown", failure.message, failure.fields)
        if isinstance(result, TrainResult):
            return self._with_history(result)
        if isinstance(result, EvaluateResult):
            return self._with_matrix(self._with_errors(result))
        return self._with_images(result, images)

    def _with_images(self, result: VisualizeResult, images: Iterable[Image]) -> VisualizeResult:
        waited = self.info.state is JobState.WAITING  # its spec may not have been complete then
        spec = self.refresh().spec if waited else self.spec
        if spec.get("frames"):  # which are not in events
            images = patiently(self._connection, self._images)
        return VisualizeResult.of(
            images,
            result.seconds,
            asked_features(spec),
            cached_image_count=result.cached_image_count,
            objectives=objective_names(spec),
        )

    def _images(self) -> list[Image]:
        return list(listed_images(self._connection, images_pb2.ListImagesRequest(parent=self.name)))

    def _with_history(self, result: TrainResult) -> TrainResult:
        try:
            history = patiently(self._connection, lambda: model_history(self._connection, result.model))
        except (NotFound, DataLoss):  # deleted meanwhile, or damaged; the figures of the run remain
            return result
        return replace(result, history=history)

    def _with_errors(self, result: EvaluateResult) -> EvaluateResult:
        try:
            examples = patiently(self._connection, lambda: list(listed_examples(self._connection, self.name)))
        except (NotFound, DataLoss):  # deleted meanwhile, or damaged; the figures remain
            return result
        return replace(result, errors=Misclassified.of(examples))

    def _with_matrix(self, result: EvaluateResult) -> EvaluateResult:
        if len(result.confusion_matrix) == len(result.classes):
            return result
        try:
            data = patiently(self._connection, lambda: read_file(self._connection, self.name, MATRIX_FILE))
        except (NotFound, DataLoss):  # as above
            return result
        return replace(result, confusion_matrix=matrix_from_file(data, len(result.classes)))


def _display(
    info: JobInfo,
    progress: bool | Callable[[Event], None],  # noqa: FBT001  passed on as it came
) -> AbstractContextManager[Callable[[Event], None]]:
    if progress is True:
        from convscope.client.progress import ProgressBar  # noqa: PLC0415  rich is loaded when shown

        return ProgressBar(info)
    return nullcontext(progress or (lambda _: None))
