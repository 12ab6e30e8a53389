"""The Visualizations service."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import grpc  # noqa: TC002 - named in an alias

from convscope.planning import ImageTarget, Item
from convscope.service.backend import Backend
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.exporting import export_files
from convscope.service.image_tokens import image_token, last_image
from convscope.service.job_images import JobImages
from convscope.service.paging import PAGE_BYTES
from convscope.store.errors import NotFoundError
from convscope.v1 import visualizations_pb2_grpc
from convscope.v1.visualizations_pb2 import (
    ExportFormat,
    ExportVisualizationsRequest,
    ExportVisualizationsResponse,
    GetVisualizationRequest,
    ListVisualizationsRequest,
    ListVisualizationsResponse,
    Visualization,
)

__all__ = ["VisualizationsService"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class VisualizationsService(visualizations_pb2_grpc.VisualizationsServicer):
    """Implements ``convscope.v1.Visualizations``; the contract's comments say what each call does."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ListVisualizations(  # noqa: N802 - named by the contract
        self, request: ListVisualizationsRequest, context: Context
    ) -> ListVisualizationsResponse:
        """List a job's images in the order of its spec."""
        return await self._backend.run_blobs(_list, self._backend, request)

    async def GetVisualization(self, request: GetVisualizationRequest, context: Context) -> Visualization:  # noqa: N802
        """Fetch an image."""
        return await self._backend.run_blob(_get, self._backend, request)

    async def ExportVisualizations(  # noqa: N802
        self, request: ExportVisualizationsRequest, context: Context
    ) -> AsyncIterator[ExportVisualizationsResponse]:
        """Send all images as files."""
        images = await self._backend.run(JobImages, self._backend, request.job)
        files = export_files(images, as_pictures=request.format == ExportFormat.EXPORT_FORMAT_PNG)
        while piece := await self._backend.run_blobs(next, files, None):
            yield ExportVisualizationsResponse(path=piece.path, data=piece.data)


def _list(backend: Backend, request: ListVisualizationsRequest) -> ListVisualizationsResponse:
    images = JobImages(backend, request.job)
    wanted = _wanted(images, request)
    page, last, used = ListVisualizationsResponse(), 0, 0
    for number, digest in images.ready(wanted[bisect_right(wanted, last_image(request)) :]):
        found = images.visualization(digest, request.format)
        used += found.ByteSize()
        if page.visualizations and (len(page.visualizations) == request.page_size or used > PAGE_BYTES):
            page.next_page_token = image_token(last, request)
            return page
        page.visualizations.append(found)
        last = number
    images.check_kept()  # else it would look as if there were no more
    return page


def _get(backend: Backend, request: GetVisualizationRequest) -> Visualization:
    images = JobImages(backend, request.job)
    restart = request.restart if images.all_restarts else 0
    number = images.order.number(Item(request.layer, request.feature, restart))
    if number is None:
        raise NotFoundError(f"{request.job} has no image of {_spelled(request)}")
    for _, digest in images.ready([number]):
        image = images.visualization(digest, request.format)
        if request.HasField("restart") and request.restart != image.image.restart:
            raise NotFoundError(f"{request.job} keeps of {_spelled(request)} only restart {image.image.restart}")
        return image
    raise NotFoundError(f"the image of {_spelled(request)} in {request.job} is not ready yet")


def _spelled(request: GetVisualizationRequest) -> str:
    restart = f", restart {request.restart}" if request.HasField("restart") else ""
    return f"layer {request.layer!r}, feature {request.feature}{restart}"


def _wanted(images: JobImages, request: ListVisualizationsRequest) -> Sequence[int]:
    """Return the numbers of the images that a request asks for, rising."""
    if not request.layer:
        if request.features:
            raise InvalidRequestError(Violation("layer", "is required where features are chosen"))
        return range(images.order.total)
    target = images.order.target(request.layer)
    if target is None:
        described = f"{request.layer!r} is not in {images.name}; there is {images.layers}"
        raise InvalidRequestError(Violation("layer", described))
    if not request.features:
        return target.numbers
    chosen = {feature: images.order.of_feature(target, feature) for feature in sorted(request.features)}
    for index, feature in enumerate(request.features):
        if not chosen[feature]:
            raise InvalidRequestError(Violation(f"features[{index}]", _absent(images, target, feature)))
    return [number for numbers in chosen.values() for number in numbers]


def _absent(images: JobImages, target: ImageTarget, feature: int) -> str:
    return f"{feature} of {target.name} is not in {images.name}; there is {_runs(target.features)}"


def _runs(features: Sequence[int]) -> str:
    """Return rising features as they are said: 0 to 7, 9."""
    runs = [[each for _, each in run] for _, run in groupby(enumerate(features), lambda item: item[1] - item[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
