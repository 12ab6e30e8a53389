"""A job's stored images, read one by one."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from convscope.planning import ImageOrder
from convscope.service.backend import Backend
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.pixels import PNG_CHANNELS, pixels_of, png
from convscope.store import visualization_request
from convscope.store.errors import BlobDamagedError, NotFoundError
from convscope.store.jobs.images import ready_images
from convscope.store.names import parse_name
from convscope.v1.jobs_pb2 import JobKind
from convscope.v1.visualizations_pb2 import ImageFormat, Visualization
from convscope.v1.visualize_pb2 import FeatureImage, Restarts

__all__ = ["JobImages", "as_png"]


class JobImages:
    """The images of one visualization.

    Args:
        backend: the store.
        name: ``jobs/{id}``.

    Raises:
        InvalidRequestError: if the job is not a visualization.
        NotFoundError: if there is no such job.
    """

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._job_id = parse_name("jobs", name)
        job = backend.jobs.get(name)
        if job.kind != JobKind.JOB_KIND_VISUALIZE:
            raise InvalidRequestError(Violation("job", f"{name} is not a visualization and has no images"))
        self.name = name
        self.spec = job.effective_spec.visualize
        self.order = ImageOrder(visualization_request(self.spec))
        self.all_restarts = self.spec.keep == Restarts.RESTARTS_ALL

    @property
    def layers(self) -> str:
        """The layers and objectives that there are images of, for messages."""
        return ", ".join(target.name for target in self.order.targets)

    def ready(self, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Yield the number and the blob's digest of each of these images that is ready, in the given order."""
        return ready_images(self._backend.redis, self._job_id, numbers)

    def kept(self, numbers: Sequence[int]) -> Iterator[FeatureImage]:
        """Yield images that were ready before; none is left out.

        Raises:
            BlobDamagedError: if one is missing or damaged.
            NotFoundError: if the job was deleted meanwhile.
        """
        for wanted, found in zip_longest(numbers, self.ready(numbers)):
            if found is None or found[0] != wanted:
                raise NotFoundError(f"{self.name} was deleted meanwhile")
            yield self._load(found[1])

    def check_kept(self) -> None:
        """Check that the job is still there; if not, what is missing of it is no loss.

        Raises:
            NotFoundError: if it was deleted meanwhile.
        """
        try:
            self._backend.jobs.get(self.name)
        except NotFoundError as error:
            raise NotFoundError(f"{self.name} was deleted meanwhile") from error

    def visualization(self, digest: str, image_format: ImageFormat.ValueType) -> Visualization:
        """Return an image as a request wants it.

        Raises:
            BlobDamagedError: if it is missing or damaged.
            InvalidRequestError: if it cannot be had in this format.
            NotFoundError: if the job was deleted meanwhile.
        """
        image = self._load(digest)
        if image_format == ImageFormat.IMAGE_FORMAT_FLOAT32:
            return Visualization(image=image)
        file = as_png(image) if image_format == ImageFormat.IMAGE_FORMAT_PNG else b""
        for optimized in (image.final, image.best):
            optimized.ClearField("pixels")
        image.ClearField("trace")
        return Visualization(image=image, png=file)

    def _load(self, digest: str) -> FeatureImage:
        try:
            return FeatureImage.FromString(self._backend.blobs.get(digest))
        except BlobDamagedError:
            self.check_kept()
            raise


def as_png(image: FeatureImage) -> bytes:
    """Return the best image as a PNG file.

    Raises:
        InvalidRequestError: if it has other than 1, 3 or 4 channels.
    """
    pixels = pixels_of(image.best.pixels)
    if pixels.shape[-1] not in PNG_CHANNELS:
        described = f"a PNG holds images with 1, 3 or 4 channels, not {pixels.shape[-1]}; ask for float32 or npz"
        raise InvalidRequestError(Violation("format", described))
    return png(pixels)
