"""The images of visualization jobs, also while they run."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from pathlib import Path

from convscope.client import checks
from convscope.client.aio.connection import AsyncConnection
from convscope.client.aio.job_facts import spec_of
from convscope.client.aio.jobs import AsyncJob
from convscope.client.aio.listings import listed_images
from convscope.client.aio.runtime import blocking_context, compute, run_blocking
from convscope.client.enums import ExportFormat, to_wire
from convscope.client.errors import InvalidValue, NotFound
from convscope.client.folders import new_folder
from convscope.client.image_filters import Chosen, format_number, image_filter
from convscope.client.images import Image
from convscope.client.results import VisualizeResult
from convscope.client.selections import Features, feature_numbers, objective_names
from convscope.v1 import image_format_pb2, images_pb2

__all__ = ["AsyncVisualizations", "list_images"]

# Page size when one image is searched among all restarts of a feature: the largest that the contract allows.
_ALL_RESTARTS = 1000


def list_images(
    connection: AsyncConnection, job: object, layers: Chosen, objectives: str | Iterable[str], image_format: str
) -> AsyncIterator[Image]:
    """List the images that ``AsyncClient.images`` describes.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
    """
    request = images_pb2.ListImagesRequest(
        parent=_name(job),
        filter=image_filter(layers, objectives),
        image_format=format_number("image_format", image_format),
    )
    return listed_images(connection, request)


class AsyncVisualizations:
    """The methods of ``AsyncClient.visualizations``. A job is given as a handle or by name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def list(
        self,
        job: AsyncJob[VisualizeResult] | str,
        layer: str | None = None,
        features: Features = None,
        *,
        format: str = "float32",  # noqa: A002  the contract's word
    ) -> AsyncIterator[Image]:
        """List a job's images that are ready, in the order of its spec; pages are fetched as needed.

        Args:
            job: The visualization.
            layer: Only images of this layer or named objective. Default: all.
            features: Only images of these features, as in ``AsyncClient.visualize``; needs ``layer``. Default: all.
            format: ``float32``; ``png`` for the best image as a file, without pixels and trace; ``none`` for facts
                about the image only.

        Raises:
            InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
            NotFound: No such job.
            InvalidArgument: The job is not a visualization, or does not have this layer or feature.
            DataLoss: An image is missing or damaged.
        """
        numbers = feature_numbers("features", features)
        request = images_pb2.ListImagesRequest(parent=_name(job), image_format=format_number("format", format))
        if layer is not None:
            return self._list(job, checks.text("layer", layer), numbers, request)
        if numbers:
            raise InvalidValue("features: need a layer")
        return listed_images(self._connection, request)

    async def get(
        self,
        job: AsyncJob[VisualizeResult] | str,
        layer: str,
        feature: int = 0,
        *,
        restart: int | None = None,
        format: str = "float32",  # noqa: A002  the contract's word
    ) -> Image:
        """Return one image.

        Args:
            job: The visualization.
            layer: Layer or named objective.
            feature: Number of the feature; 0 for an objective.
            restart: Which restart, where all are kept. Default: the first that is kept.
            format: As in ``list``.

        Raises:
            NotFound: No such job, or the image is not ready yet, or its restart is not kept.
            InvalidArgument: The job is not a visualization, or does not have this layer or feature.
            DataLoss: The image is missing or damaged.
        """
        pixels = format_number("format", format)
        number = None if restart is None else checks.int32("restart", restart)
        numbers = [checks.int32("feature", feature)]
        request = images_pb2.ListImagesRequest(
            parent=_name(job), image_format=image_format_pb2.IMAGE_FORMAT_NONE, page_size=_ALL_RESTARTS
        )
        async for image in self._list(job, checks.text("layer", layer), numbers, request):
            if number in {None, image.restart}:
                return await self._get(image.name, pixels)
        which = "" if number is None else f", restart {number},"
        raise NotFound(f"{_name(job)} has no image of {layer}:{feature}{which} that is ready")

    async def export(
        self,
        job: AsyncJob[VisualizeResult] | str,
        folder: str | os.PathLike[str],
        *,
        format: str = "npz",  # noqa: A002  the contract's word
    ) -> Path:
        """Save all images that are ready in a new folder, which appears only when it is whole; return it.

        Args:
            job: The visualization.
            folder: Must not exist yet, or be empty. Missing parent folders are created.
            format: ``npz``: one archive, ``images.npz``. ``png``: the best images, ``{layer}/{feature}.png``.
                Beside them is ``index.json``, which lists every image with its objective, verdict and cache key.

        Raises:
            FailedPrecondition: No image is ready.
            NotFound: No such job.
            DataLoss: An image is missing or damaged, or the server broke off.
            FileExistsError: There is something in the folder.
            OSError: The folder cannot be written.
        """
        request = images_pb2.ExportImagesRequest(
            parent=_name(job), format=to_wire(ExportFormat, images_pb2.ExportFormat.Value, "format", format)
        )
        stream = self._connection.stream(self._connection.images.ExportImages, request)
        target = Path(folder)
        async with aclosing(stream) as pieces, blocking_context(new_folder(target, last="index.json")) as files:
            async for piece in pieces:
                await run_blocking(files.write, piece.path, piece.data)
        return target

    async def _get(self, name: str, pixels: image_format_pb2.ImageFormat.ValueType) -> Image:
        request = images_pb2.GetImageRequest(name=name, image_format=pixels)
        message = await self._connection.call(self._connection.images.GetImage, request)
        return await compute(Image.from_wire, message)

    async def _list(
        self,
        job: AsyncJob[VisualizeResult] | str,
        name: str,
        features: Iterable[int],
        request: images_pb2.ListImagesRequest,
    ) -> AsyncIterator[Image]:
        """List the images of a layer or an objective; the job's spec tells which of the two a name is."""
        handle = job if isinstance(job, AsyncJob) else AsyncJob[VisualizeResult](self._connection, _name(job))
        if name not in objective_names(await spec_of(handle)):
            request.filter.CopyFrom(image_filter({name: list(features) or None}))
        elif any(features):
            raise InvalidValue(f"features: an objective has one image, of feature 0; {name!r} is one")
        else:
            request.filter.objectives.append(name)
        async for image in listed_images(self._connection, request):
            yield image


def _name(job: object) -> str:
    return job.name if isinstance(job, AsyncJob) else checks.resource_name("jobs", job)
