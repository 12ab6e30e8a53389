"""The Images service."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby

from convscope.planning import ImageTarget
from convscope.service.backend import Backend
from convscope.service.calls import Context
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.exporting import export_files
from convscope.service.job_images import JobImages
from convscope.service.paging import NUMBER, cut_page, place_before
from convscope.store import NotFoundError, parse_image_name
from convscope.v1 import images_pb2_grpc
from convscope.v1.feature_pb2 import Feature
from convscope.v1.images_pb2 import (
    ExportFormat,
    ExportImagesRequest,
    ExportImagesResponse,
    GetImageRequest,
    ImageFilter,
    ListImagesRequest,
    ListImagesResponse,
)
from convscope.v1.visualize_pb2 import Image

__all__ = ["ImagesService", "canonical", "number_of"]


class ImagesService(images_pb2_grpc.ImagesServicer):
    """Implements ``convscope.v1.Images``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListImages(self, request: ListImagesRequest, context: Context) -> ListImagesResponse:  # noqa: N802
        """List a job's images by number."""
        return await self._backend.run_blobs(_list, self._backend, request)

    async def GetImage(self, request: GetImageRequest, context: Context) -> Image:  # noqa: N802
        """Fetch an image."""
        return await self._backend.run_blob(_get, self._backend, request)

    async def ExportImages(  # noqa: N802
        self, request: ExportImagesRequest, context: Context
    ) -> AsyncIterator[ExportImagesResponse]:
        """Send all images as files."""
        images = await self._backend.run(JobImages, self._backend, request.parent)
        files = export_files(images, as_pictures=request.format == ExportFormat.EXPORT_FORMAT_PNG)
        while piece := await self._backend.run_blobs(next, files, None):
            yield ExportImagesResponse(path=piece.path, data=piece.data)


def canonical(request: ListImagesRequest) -> ListImagesRequest:
    """Return a request with its filter in canonical form, so that tokens of filters for the same images are equal."""
    same = ListImagesRequest()
    same.CopyFrom(request)
    features = sorted({(feature.layer, feature.index) for feature in request.filter.features})
    same.filter.CopyFrom(
        ImageFilter(
            layers=sorted(set(request.filter.layers)),
            features=[Feature(layer=layer, index=index) for layer, index in features],
            objectives=sorted(set(request.filter.objectives)),
        )
    )
    return same


def _list(backend: Backend, request: ListImagesRequest) -> ListImagesResponse:
    listing = canonical(request)
    before = place_before(listing, NUMBER)
    images = JobImages(backend, request.parent)
    wanted = _Filter(images).numbers(request.filter)
    ready = images.ready(wanted[bisect_right(wanted, int(before)) if before else 0 :])
    formatted = (images.image(number, digest, request.image_format) for number, digest in ready)
    page, token = cut_page(listing, formatted, number_of)
    if not token:
        images.check_kept()  # else it would look as if there were no more
    return ListImagesResponse(images=page, next_page_token=token)


def number_of(image: Image) -> str:
    """Return the place of an image in listings: its number."""
    return str(parse_image_name(image.name)[1])


def _get(backend: Backend, request: GetImageRequest) -> Image:
    job, number = parse_image_name(request.name)
    images = JobImages(backend, job, field="name")
    if number >= images.order.total:
        raise NotFoundError(f"{job} has {images.order.total} images, numbered from 0; {request.name} is none of them")
    for _, digest in images.ready([number]):
        return images.image(number, digest, request.image_format)
    raise NotFoundError(f"{request.name} is not ready yet")


class _Filter:
    """Finds the images that a filter names."""

    def __init__(self, images: JobImages) -> None:
        self._images = images
        self._layers = {target.name: target for target in images.order.targets if target.objective is None}
        self._objectives = {target.name: target for target in images.order.targets if target.objective is not None}

    def numbers(self, wanted: ImageFilter) -> Sequence[int]:
        """Return the numbers of the images, ascending; a filter without any subject names all.

        Raises:
            InvalidRequestError: for a subject that the job does not have.
        """
        runs = list(self._runs(wanted))
        return sorted({number for run in runs for number in run}) if runs else range(self._images.order.total)

    def _runs(self, wanted: ImageFilter) -> Iterator[range]:
        for index, layer in enumerate(wanted.layers):
            yield self._target(self._layers, layer, f"filter.layers[{index}]").numbers
        for index, feature in enumerate(wanted.features):
            yield self._feature(feature, f"filter.features[{index}]")
        for index, name in enumerate(wanted.objectives):
            yield self._target(self._objectives, name, f"filter.objectives[{index}]").numbers

    def _feature(self, feature: Feature, field: str) -> range:
        target = self._target(self._layers, feature.layer, f"{field}.layer")
        numbers = self._images.order.of_feature(target, feature.index)
        if not numbers:
            missing = f"{feature.index} of {target.name} is not in {self._images.name}"
            raise InvalidRequestError(Violation(f"{field}.index", f"{missing}; there is {_runs(target.features)}"))
        return numbers

    def _target(self, targets: dict[str, ImageTarget], name: str, field: str) -> ImageTarget:
        if name not in targets:
            there = ", ".join(targets) or "none"
            raise InvalidRequestError(Violation(field, f"{name!r} is not in {self._images.name}; there is {there}"))
        return targets[name]


def _runs(features: Sequence[int]) -> str:
    """Format ascending features as runs: ``0 to 7, 9``."""
    groups = groupby(enumerate(features), lambda item: item[1] - item[0])
    runs = [[feature for _, feature in group] for _, group in groups]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
