"""A job on the server."""

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar, cast

from convscope.client import checks
from convscope.client.aio.connection import AsyncConnection
from convscope.client.aio.downloads import read_file, save_file
from convscope.client.aio.job_facts import AsyncJobFacts, spec_of
from convscope.client.aio.listings import listed_examples, listed_files, listed_images, model_history
from convscope.client.aio.runtime import compute
from convscope.client.aio.watching import patiently, watch
from convscope.client.enums import JobKind, JobState
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
from convscope.client.events import Event, Failure, Finished, ImageReady, event_from_wire
from convscope.client.examples import Example
from convscope.client.files import File
from convscope.client.images import Image
from convscope.client.job_info import JobInfo
from convscope.client.results import Result, TrainResult, VisualizeResult, result_from_wire
from convscope.client.selections import asked_features, objective_names
from convscope.v1 import images_pb2, jobs_pb2

__all__ = ["AsyncJob"]

R = TypeVar("R")


class AsyncJob(AsyncJobFacts, Generic[R]):
    """A handle on a job whose result is an ``R``. Many handles may follow the same job.

    The handle on a job that was only validated has no name, and only its ``info`` can be used.

    ``kind``, ``model``, ``spec`` and ``info`` are what the server said last. A handle created by name knows nothing
    before ``refresh``; one from a listing knows neither ``spec`` nor the ``model`` that the job reads. Facts that are
    not known raise InvalidValue.
    """

    def __init__(self, connection: AsyncConnection, name: str, info: JobInfo | None = None) -> None:
        self._connection = connection
        self._name = name
        self._info = info

    def __repr__(self) -> str:
        if self._info is None:
            return f"<job {self.name}>"
        return f"<{self._info.kind} {self.name}: {self._info.state} when last seen>"

    @property
    def name(self) -> str:
        """``jobs/{id}``; empty if the job was only validated."""
        return self._name

    async def refresh(self) -> JobInfo:
        """Ask the server how the job stands.

        Raises:
            NotFound: There is no such job.
            DataLoss: Its stored result is missing or damaged; the job can still be deleted.
            ServiceError: Any other refusal.
        """
        self._info = info = await compute(JobInfo.from_wire, await self._get())
        return info

    async def state(self) -> JobState:
        """Ask the server for the job's state."""
        return (await self.refresh()).state

    def watch(self, after_sequence: int = 0, *, after_token: str = "") -> AsyncGenerator[Event]:
        """Follow the job's events in order: those after ``after_sequence`` that have happened, then those to come.

        Ends after ``Finished``. A broken connection is resumed where it broke; a program that was stopped resumes with
        ``sequence`` and ``log_token`` of the last event that it saw.

        Args:
            after_sequence: Sequence number of the last event seen; 0 for all events.
            after_token: That event's ``log_token``. Given, a log that lost the event is noticed even if it has grown
                beyond it since.

        Raises:
            InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
            Unavailable: The server was away for longer than the client's patience.
            DataLoss: The server has lost events, or a stored image or result is missing or damaged; ``refresh`` returns
                the job's state.
            ServiceError: Any other refusal.
        """
        after_sequence = checks.int64("after_sequence", after_sequence)
        token = checks.text("after_token", after_token) if after_token != "" else ""
        return _events(watch(self._connection, self._submitted_name(), after_sequence, token))

    async def result(self, *, progress: bool | Callable[[Event], None] = False, timeout: float | None = None) -> R:
        """Wait for the job to end and return its result.

        The result of a visualization has all of its images; ``watch`` and ``Client.images`` return them one by one.

        Args:
            progress: True shows a progress bar in a terminal or notebook; a function is called with each event.
            timeout: Seconds to wait at most.

        Raises:
            JobFailed: The job failed.
            JobCancelled: The job was cancelled.
            DeadlineExceeded: The job has not ended within ``timeout``; it keeps running.
            ServiceError: The server refused, or was away for longer than the client's patience.
        """
        self._submitted_name()
        deadline = None if timeout is None else time.monotonic() + checks.real("timeout", timeout)
        try:
            info = self._info
            if info is None or not info.spec:
                info = await patiently(self._connection, self.refresh, deadline=deadline)
            shown = await compute(_display, info, progress)
            with shown as show:
                result = await self._wait(show, deadline)
        except DeadlineExceeded:
            if timeout is None:
                raise
            raise DeadlineExceeded(f"{self.name} has not ended within {timeout:g} s; it keeps running") from None
        return cast("R", result)

    def examples(self, *, image_format: str = "float32") -> AsyncIterator[Example]:
        """List the misclassified examples that an evaluation kept, in the split's order; pages are fetched as needed.

        Args:
            image_format: ``float32``; ``png`` for the image as a file; ``none`` for facts about it only.

        Raises:
            InvalidValue: An unknown format; nothing was sent.
            InvalidArgument: The job is not an evaluation, or the images are not available in this format.
            FailedPrecondition: The job has not succeeded.
            NotFound: There is no such job.
            DataLoss: What is stored is missing or damaged.
        """
        return listed_examples(self._connection, self._submitted_name(), image_format)

    def files(self) -> AsyncIterator[File]:
        """List the job's files that are complete, by name; pages are fetched as needed.

        An evaluation leaves ``confusion-matrix.npy``: int64 [classes, classes], rows true, columns predicted classes.

        Raises:
            NotFound: There is no such job.
        """
        return listed_files(self._connection, self._submitted_name())

    async def read_file(self, name: str) -> bytes:
        """Return the bytes of one of the job's files, checked against its SHA-256.

        A broken connection is resumed where it broke.

        Args:
            name: Name of the file, as ``confusion-matrix.npy`` or ``File.name``.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DataLoss: The stored file is missing or damaged, or what arrived is.
        """
        return await read_file(self._connection, self._submitted_name(), name)

    async def save_file(self, name: str, path: str | os.PathLike[str] | None = None) -> Path:
        """Save one of the job's files. It appears at ``path`` only when it is whole and its SHA-256 is right.

        Args:
            name: As in ``read_file``.
            path: Where to save it. Default: under the file's name in the current folder.

        Raises:
            NotFound: There is no such job, or it has no such file.
            DataLoss: The stored file is missing or damaged, or what arrived is.
            OSError: The folder does not exist or cannot be written.
        """
        return await save_file(self._connection, self._submitted_name(), name, None if path is None else Path(path))

    async def cancel(self) -> JobInfo:
        """Ask the job to stop; one that has ended is left as it is."""
        request = jobs_pb2.CancelJobRequest(name=self._submitted_name())
        info = JobInfo.from_wire(await self._connection.call(self._connection.jobs.CancelJob, request))
        if self._info:
            info = replace(info, model=self._info.model, spec=self._info.spec)
        self._info = info
        return info

    async def delete(self) -> None:
        """Delete the job, which must have ended, with its events. The model that it created stays."""
        await self._connection.call(
            self._connection.jobs.DeleteJob, jobs_pb2.DeleteJobRequest(name=self._submitted_name())
        )

    def _submitted_name(self) -> str:
        """Return the job's name.

        Raises:
            InvalidValue: The job was only validated.
        """
        if not self._name:
            raise InvalidValue("job: there is none, it was only validated; submit it without validate_only")
        return self._name

    async def _get(self) -> jobs_pb2.Job:
        return await self._connection.call(
            self._connection.jobs.GetJob, jobs_pb2.GetJobRequest(name=self._submitted_name())
        )

    async def _wait(self, show: Callable[[Event], None], deadline: float | None) -> Result:
        """Return the result, from the record where the job has ended already, else from the events."""
        after = 0
        if self.kind is not JobKind.VISUALIZE:
            record = await patiently(self._connection, self._get, deadline=deadline)
            self._info = info = await compute(JobInfo.from_wire, record)
            if info.state.is_terminal:
                result = await compute(result_from_wire, record.result)
                return await self._conclude(info.state, info.failure, result, ())
            after = max(info.sequence - 1, 0)
        images: dict[tuple[str, int, int], Image] = {}  # of an image that comes twice, the last one counts
        on_waiting = getattr(show, "waiting", None)  # only our progress bar has it; a function gets events only
        messages = watch(self._connection, self.name, after, deadline=deadline, on_waiting=on_waiting)
        async with aclosing(_events(messages)) as events:
            async for event in events:
                show(event)
                if isinstance(event, ImageReady):
                    images[event.image.layer, event.image.feature, event.image.restart] = event.image
                elif isinstance(event, Finished):
                    return await self._conclude(event.state, event.failure, event.result, images.values())
        raise ProtocolError(f"the events of {self.name} ended before the job")  # pragma: no cover

    async def _conclude(
        self, state: JobState, failure: Failure | None, result: Result | None, images: Iterable[Image]
    ) -> Result:
        if state is JobState.CANCELLED:
            raise JobCancelled(self.name, failure.message if failure else "")
        if state is not JobState.SUCCEEDED or result is None:
            failure = failure or Failure(reason=None, message="the server did not say why")
            raise JobFailed(self.name, failure.reason or "unknown", failure.message, failure.fields)
        if isinstance(result, TrainResult):
            return await self._with_history(result)
        if isinstance(result, EvaluateResult):
            return await self._with_matrix(await self._with_errors(result))
        return await self._with_images(result, images)

    async def _with_images(self, result: VisualizeResult, images: Iterable[Image]) -> VisualizeResult:
        waited = self.info.state is JobState.WAITING  # its spec may not have been complete then
        spec = (await self.refresh()).spec if waited else await spec_of(self)
        if spec.get("frames"):  # events have none
            images = await patiently(self._connection, self._images)
        return await compute(
            VisualizeResult.of,
            images,
            result.seconds,
            asked_features(spec),
            cached_image_count=result.cached_image_count,
            objectives=objective_names(spec),
        )

    async def _images(self) -> list[Image]:
        request = images_pb2.ListImagesRequest(parent=self.name)
        return [image async for image in listed_images(self._connection, request)]

    async def _with_history(self, result: TrainResult) -> TrainResult:
        try:
            history = await patiently(self._connection, lambda: model_history(self._connection, result.model))
        except (NotFound, DataLoss):  # deleted meanwhile, or damaged; the figures of the run remain
            return result
        return replace(result, history=history)

    async def _with_errors(self, result: EvaluateResult) -> EvaluateResult:
        try:
            examples = await patiently(self._connection, self._examples)
        except (NotFound, DataLoss):  # deleted meanwhile, or damaged; the figures remain
            return result
        return replace(result, errors=await compute(Misclassified.of, examples))

    async def _examples(self) -> list[Example]:
        return [example async for example in listed_examples(self._connection, self.name)]

    async def _with_matrix(self, result: EvaluateResult) -> EvaluateResult:
        if len(result.confusion_matrix) == len(result.classes):
            return result
        try:
            data = await patiently(self._connection, lambda: read_file(self._connection, self.name, MATRIX_FILE))
        except (NotFound, DataLoss):  # as above
            return result
        matrix = await compute(matrix_from_file, data, len(result.classes))
        return replace(result, confusion_matrix=matrix)


async def _events(messages: AsyncGenerator[jobs_pb2.JobEvent]) -> AsyncGenerator[Event]:
    async with aclosing(messages):
        async for message in messages:
            if message.HasField("finished"):  # its result may be large
                yield await compute(event_from_wire, message)
            else:
                yield event_from_wire(message)


def _display(
    info: JobInfo,
    progress: bool | Callable[[Event], None],  # noqa: FBT001  passed on as given
) -> AbstractContextManager[Callable[[Event], None]]:
    if progress is True:
        from convscope.client.progress import ProgressBar  # noqa: PLC0415  rich is loaded when shown

        return ProgressBar(info)
    return nullcontext(progress or (lambda _: None))
