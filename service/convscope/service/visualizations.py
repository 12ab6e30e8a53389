"""The Visualizations service."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias

from convscope.service.backend import Backend
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.exporting import export_files
from convscope.service.job_images import JobImages
from convscope.service.paging import BAD_TOKEN, check_size
from convscope.service.requests import known_value
from convscope.store.errors import NotFoundError
from convscope.store.images import ImagePlace, ImageTarget
from convscope.v1 import visualizations_pb2_grpc
from convscope.v1.visualizations_pb2 import (
    ExportFormat,
    ExportVisualizationsRequest,
    ExportVisualizationsResponse,
    GetVisualizationRequest,
    ImageFormat,
    ListVisualizationsRequest,
    ListVisualizationsResponse,
    Visualization,
)

__all__ = ["VisualizationsService"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# A page ends when its images have this many bytes, well below the largest message.
PAGE_BYTES = 16 * 2**20

# Digits of a page token, which is the number of an image.
MOST_DIGITS = 12


class VisualizationsService(visualizations_pb2_grpc.VisualizationsServicer):
    """Implements ``convscope.v1.Visualizations``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListVisualizations(  # noqa: N802 - named by the contract
        self, request: ListVisualizationsRequest, context: Context
    ) -> ListVisualizationsResponse:
        """List a job's images in the order of its spec."""
        return await self._backend.run(_list, self._backend, request)

    async def GetVisualization(self, request: GetVisualizationRequest, context: Context) -> Visualization:  # noqa: N802
        """Fetch an image."""
        return await self._backend.run(_get, self._backend, request)

    async def ExportVisualizations(  # noqa: N802
        self, request: ExportVisualizationsRequest, context: Context
    ) -> AsyncIterator[ExportVisualizationsResponse]:
        """Send all images as files."""
        chosen = known_value("format", request.format, ExportFormat.DESCRIPTOR, default=ExportFormat.EXPORT_FORMAT_NPZ)
        images = await self._backend.run(JobImages, self._backend, request.job)
        files = export_files(images, as_pictures=chosen == ExportFormat.EXPORT_FORMAT_PNG)
        while piece := await self._backend.run(next, files, None):
            yield ExportVisualizationsResponse(path=piece.path, data=piece.data)


def _list(backend: Backend, request: ListVisualizationsRequest) -> ListVisualizationsResponse:
    size, image_format = check_size(request.page_size), _format(request.format)
    images = JobImages(backend, request.job)
    wanted = _wanted(images, request)
    numbers = wanted[bisect_right(wanted, _position(request.page_token, images.order.total)) :]
    page, last, used = ListVisualizationsResponse(), 0, 0
    for number, digest in images.ready(numbers):
        if len(page.visualizations) == size or used >= PAGE_BYTES:
            page.next_page_token = str(last)
            break
        found = images.visualization(number, digest, image_format)
        page.visualizations.append(found)
        last, used = number, used + found.ByteSize()
    return page


def _get(backend: Backend, request: GetVisualizationRequest) -> Visualization:
    image_format = _format(request.format)
    images = JobImages(backend, request.job)
    restart = request.restart if images.all_restarts else 0
    place = ImagePlace(layer=request.layer, feature=request.feature, restart=restart)
    number = images.order.number(place)
    if number is None:
        raise NotFoundError(f"{request.job} has no image of {_spelled(request)}")
    for found, digest in images.ready([number]):
        image = images.visualization(found, digest, image_format)
        if request.HasField("restart") and request.restart != image.image.restart:
            raise NotFoundError(f"{request.job} keeps of {_spelled(request)} only restart {image.image.restart}")
        return image
    raise NotFoundError(f"the image of {_spelled(request)} in {request.job} is not ready yet")


def _spelled(request: GetVisualizationRequest) -> str:
    restart = f", restart {request.restart}" if request.HasField("restart") else ""
    return f"layer {request.layer!r}, feature {request.feature}{restart}"


def _format(value: ImageFormat.ValueType) -> ImageFormat.ValueType:
    default = ImageFormat.IMAGE_FORMAT_FLOAT32
    return ImageFormat.ValueType(known_value("format", value, ImageFormat.DESCRIPTOR, default=default))


def _position(token: str, total: int) -> int:
    """Return the number of the last image of the page before; -1 if there was none."""
    if not token:
        return -1
    if not (token.isascii() and token.isdecimal() and len(token) <= MOST_DIGITS and int(token) < total):
        raise InvalidRequestError(BAD_TOKEN)
    return int(token)


def _wanted(images: JobImages, request: ListVisualizationsRequest) -> Sequence[int]:
    """Return the numbers of the images that a request asks for, rising."""
    if not request.layer:
        if request.features:
            raise InvalidRequestError(Violation("layer", "is required where features are chosen"))
        return range(images.order.total)
    target = images.order.target(request.layer)
    if target is None:
        allowed = ", ".join(each.layer for each in images.order.targets)
        raise InvalidRequestError(Violation("layer", f"{request.layer!r} is not in {request.job}; there is {allowed}"))
    if not request.features:
        return target.numbers
    return [number for feature in sorted(set(request.features)) for number in _numbers(images, target, feature)]


def _numbers(images: JobImages, target: ImageTarget, feature: int) -> range:
    found = images.order.of_feature(target, feature)
    if not found:
        raise InvalidRequestError(Violation("features", f"{feature} of {target.layer} is not in {images.name}"))
    return found
