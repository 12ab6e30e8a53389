"""A job's stored images, read one by one."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from convscope.planning import ImageOrder
from convscope.service.backend import Backend
from convscope.service.deletions import check_kept, unless_deleted
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.image_formats import send_as
from convscope.store import NotFoundError, addressed, parse_name, ready_images, visualization_request
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.jobs_pb2 import JobKind
from convscope.v1.visualize_pb2 import Image, Restarts

__all__ = ["JobImages"]


class JobImages:
    """The images of one visualization.

    Args:
        backend: the store.
        name: ``jobs/{id}``.
        field: the request's field that has the name.

    Raises:
        InvalidRequestError: if the job is not a visualization.
        NotFoundError: if the job does not exist.
    """

    def __init__(self, backend: Backend, name: str, *, field: str = "parent") -> None:
        self._backend = backend
        self._job_id = parse_name("jobs", name)
        job = backend.jobs.get(name)
        if job.kind != JobKind.JOB_KIND_VISUALIZE:
            raise InvalidRequestError(Violation(field, f"{name} is not a visualization and has no images"))
        self.name = name
        self.spec = job.effective_spec.visualize
        self.order = ImageOrder(visualization_request(self.spec))
        self.all_restarts = self.spec.keep == Restarts.RESTARTS_ALL

    def ready(self, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield number and blob digest of those of the images that are ready, in the given order."""
        return ready_images(self._backend.redis, self._job_id, numbers)

    def kept(self, numbers: Sequence[int]) -> Iterator[Image]:
        """Yield images that were ready before; none is left out.

        Raises:
            BlobDamagedError: if one is missing or damaged.
            NotFoundError: if the job was deleted meanwhile.
        """
        for number, stored in zip_longest(numbers, self.ready(numbers)):
            if stored is None or stored[0] != number:
                raise NotFoundError(f"{self.name} was deleted meanwhile")
            yield self._load(number, stored[1])

    def check_kept(self) -> None:
        """Check that the job still exists.

        Raises:
            NotFoundError: if it was deleted meanwhile.
        """
        check_kept(self._backend.jobs.get, self.name)

    def image(self, number: int, digest: str, image_format: ImageFormat.ValueType) -> Image:
        """Return an image in a format.

        Raises:
            BlobDamagedError: if it is missing or damaged.
            InvalidRequestError: if this format cannot hold it.
            NotFoundError: if the job was deleted meanwhile.
        """
        image = self._load(number, digest)
        send_as(image_format, image)
        return image

    def _load(self, number: int, digest: str) -> Image:
        image = addressed(self._job_id, self.order, number)
        with unless_deleted(self._backend.jobs.get, self.name):
            image.MergeFromString(self._backend.blobs.get(digest))
        return image
