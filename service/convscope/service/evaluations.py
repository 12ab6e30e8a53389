"""The Evaluations service."""

from bisect import bisect_right
from collections.abc import Iterator

from convscope.service.backend import Backend
from convscope.service.calls import Context
from convscope.service.deletions import unless_deleted
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.image_formats import tensor_as_png
from convscope.service.paging import NUMBER, cut_page, place_before
from convscope.store import StateError
from convscope.v1 import evaluations_pb2_grpc
from convscope.v1.evaluations_pb2 import Example, ListExamplesRequest, ListExamplesResponse
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.jobs_pb2 import JobKind, JobState

__all__ = ["EvaluationsService"]


class EvaluationsService(evaluations_pb2_grpc.EvaluationsServicer):
    """Implements ``convscope.v1.Evaluations``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListExamples(self, request: ListExamplesRequest, context: Context) -> ListExamplesResponse:  # noqa: N802
        """List the examples that an evaluation kept, in the split's order."""
        return await self._backend.run_blobs(_list, self._backend, request)


def _list(backend: Backend, request: ListExamplesRequest) -> ListExamplesResponse:
    before = place_before(request, NUMBER)
    _check_job(backend, request.parent)
    stored = _examples(backend, request.parent, after=int(before) if before else -1)
    formatted = (_in_format(request.image_format, example) for example in stored)
    examples, token = cut_page(request, formatted, lambda example: str(example.index))
    return ListExamplesResponse(examples=examples, next_page_token=token)


def _check_job(backend: Backend, name: str) -> None:
    """Check that a job has examples to list.

    Raises:
        NotFoundError: if there is no such job.
        InvalidRequestError: if it is not an evaluation.
        StateError: if it has not succeeded.
    """
    job = backend.jobs.get(name)
    if job.kind != JobKind.JOB_KIND_EVALUATE:
        raise InvalidRequestError(Violation("parent", f"{name} is not an evaluation and has no examples"))
    if job.state != JobState.JOB_STATE_SUCCEEDED:
        state = JobState.Name(job.state).removeprefix("JOB_STATE_")
        raise StateError(f"{name} is {state}; it has examples once it is SUCCEEDED")


def _examples(backend: Backend, name: str, *, after: int) -> Iterator[Example]:
    """Yield the examples that follow an index, one blob in memory at a time.

    Raises:
        BlobDamagedError: if a blob is missing or damaged.
        NotFoundError: if the job was deleted meanwhile.
    """
    blobs = backend.jobs.examples(name)
    start = bisect_right([blob.first for blob in blobs], after)
    for blob in blobs[max(0, start - 1) :]:
        with unless_deleted(backend.jobs.get, name):
            data = backend.blobs.get(blob.digest)
        examples = ListExamplesResponse.FromString(data).examples
        yield from (example for example in examples if example.index > after)


def _in_format(image_format: ImageFormat.ValueType, example: Example) -> Example:
    """Return an example with its image in a format.

    Raises:
        InvalidRequestError: if this format cannot hold it.
    """
    if image_format == ImageFormat.IMAGE_FORMAT_PNG:
        example.png = tensor_as_png(example.pixels, field="image_format")
    if image_format != ImageFormat.IMAGE_FORMAT_FLOAT32:
        example.ClearField("pixels")
    return example
