"""The images of visualization jobs, also while they run."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from convscope.client import checks
from convscope.client.connection import Connection
from convscope.client.enums import ExportFormat, ImageFormat, to_wire
from convscope.client.errors import InvalidType, InvalidValue, NotFound
from convscope.client.folders import save_folder
from convscope.client.image_pages import listed_images
from convscope.client.images import Image
from convscope.client.jobs import Job
from convscope.client.results import VisualizeResult
from convscope.client.selections import Features, feature_numbers, objective_names
from convscope.v1 import feature_pb2, image_format_pb2, images_pb2

__all__ = ["Chosen", "Visualizations", "list_images"]

# Images of all layers, of one, of several, or of some features of some.
Chosen: TypeAlias = str | Iterable[str] | Mapping[str, Features] | None

# Images of a listing that is to find one among all restarts of a feature: as many as a page may have.
_ALL_RESTARTS = 1000


def list_images(
    connection: Connection, job: object, layers: Chosen, objectives: str | Iterable[str], image_format: str
) -> Iterator[Image]:
    """See `Client.images`.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
    """
    names = [objectives] if isinstance(objectives, str) else objectives
    chosen = images_pb2.ImageFilter(objectives=[checks.text("objectives", name) for name in names])
    _choose(chosen, layers)
    return _listed(connection, _name(job), chosen, _format("image_format", image_format))


class Visualizations:
    """What `Client.visualizations` can do. A job is a handle or its name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        job: Job[VisualizeResult] | str,
        layer: str | None = None,
        features: Features = None,
        *,
        format: str = "float32",  # noqa: A002  the contract's word
    ) -> Iterator[Image]:
        """A job's images that are ready, in the order of its spec; pages are fetched as needed.

        Args:
            job: The visualization.
            layer: Only images of this layer or named objective. Default: all.
            features: Only images of these features, as in `Client.visualize`; needs `layer`. Default: all.
            format: `float32`; `png` for the best image as a file, without pixels and trace; `none` for what is known of
                the image, without either.

        Raises:
            InvalidValue, InvalidType: A value that cannot be right; nothing was sent.
            NotFound: No such job.
            InvalidArgument: The job is no visualization, or does not have this layer or feature.
            DataLoss: An image is missing or damaged.
        """
        name, numbers, pixels = _name(job), feature_numbers("features", features), _format("format", format)
        if layer is not None:
            return _listed(self._connection, name, self._filter(job, checks.text("layer", layer), numbers), pixels)
        if numbers:
            raise InvalidValue("features: need a layer")
        return _listed(self._connection, name, images_pb2.ImageFilter(), pixels)

    def get(
        self,
        job: Job[VisualizeResult] | str,
        layer: str,
        feature: int = 0,
        *,
        restart: int | None = None,
        format: str = "float32",  # noqa: A002  the contract's word
    ) -> Image:
        """One image.

        Args:
            job: The visualization.
            layer: Layer or named objective.
            feature: Number of the feature; 0 for an objective.
            restart: Which restart, where all are kept. Default: the first, or the one that there is.
            format: As in `list`.

        Raises:
            NotFound: No such job, or the image is not ready yet, or its restart is not kept.
            InvalidArgument: The job is no visualization, or does not have this layer or feature.
            DataLoss: The image is missing or damaged.
        """
        pixels = _format("format", format)
        wanted = None if restart is None else checks.int32("restart", restart)
        chosen = self._filter(job, checks.text("layer", layer), [checks.int32("feature", feature)])
        nothing = image_format_pb2.IMAGE_FORMAT_NONE
        for image in _listed(self._connection, _name(job), chosen, nothing, page_size=_ALL_RESTARTS):
            if wanted in {None, image.restart}:
                request = images_pb2.GetImageRequest(name=image.name, image_format=pixels)
                return Image.from_wire(self._connection.call(self._connection.images.GetImage, request))
        which = "" if wanted is None else f", restart {wanted},"
        raise NotFound(f"{_name(job)} has no image of {layer}:{feature}{which} that is ready")

    def export(
        self,
        job: Job[VisualizeResult] | str,
        folder: str | os.PathLike[str],
        *,
        format: str = "npz",  # noqa: A002  the contract's word
    ) -> Path:
        """Saves all images that are ready in a new folder, which appears only when it is whole; returns it.

        Args:
            job: The visualization.
            folder: Where; it must not exist yet, or be empty. The folders above it are made if need be.
            format: `npz`: one archive, `images.npz`. `png`: the best images, `{layer}/{feature}.png`.
                Beside them is `index.json`, which lists every image with its objective, verdict and cache key.

        Raises:
            FailedPrecondition: No image is ready.
            NotFound: No such job.
            DataLoss: An image is missing or damaged, or the server broke off.
            FileExistsError: There is something in the folder.
            OSError: It cannot be written.
        """
        request = images_pb2.ExportImagesRequest(
            parent=_name(job), format=to_wire(ExportFormat, images_pb2.ExportFormat.Value, "format", format)
        )
        stream = self._connection.stream(self._connection.images.ExportImages, request)
        with closing(stream) as pieces:
            return save_folder(((piece.path, piece.data) for piece in pieces), Path(folder), last="index.json")

    def _filter(self, job: Job[VisualizeResult] | str, name: str, features: Iterable[int]) -> images_pb2.ImageFilter:
        """The filter of a layer's or an objective's images: which of the two a name is of, the job's spec tells."""
        handle = job if isinstance(job, Job) else Job(self._connection, _name(job))
        if name not in objective_names(handle.info.spec):
            chosen = images_pb2.ImageFilter()
            _choose(chosen, {name: list(features) or None})
            return chosen
        if any(features):
            raise InvalidValue(f"features: an objective has one image, of feature 0; {name!r} is one")
        return images_pb2.ImageFilter(objectives=[name])


def _listed(
    connection: Connection,
    job: str,
    chosen: images_pb2.ImageFilter,
    pixels: image_format_pb2.ImageFormat.ValueType,
    page_size: int = 0,
) -> Iterator[Image]:
    request = images_pb2.ListImagesRequest(parent=job, filter=chosen, image_format=pixels, page_size=page_size)
    return listed_images(connection, request)


def _choose(chosen: images_pb2.ImageFilter, layers: Chosen) -> None:
    """Adds layers and features to a filter."""
    if layers is None:
        return
    if isinstance(layers, Mapping):
        for layer, features in layers.items():
            name, numbers = checks.text("layers", layer), feature_numbers(f"layers[{layer!r}]", features)
            chosen.features.extend(feature_pb2.Feature(layer=name, index=number) for number in numbers)
            if not numbers:
                chosen.layers.append(name)
        return
    if not isinstance(layers, Iterable):
        raise InvalidType(f"layers: {layers!r} is neither a name nor a list or mapping of names")
    chosen.layers.extend(checks.text("layers", name) for name in ([layers] if isinstance(layers, str) else layers))


def _format(field: str, name: object) -> image_format_pb2.ImageFormat.ValueType:
    return to_wire(ImageFormat, image_format_pb2.ImageFormat.Value, field, name)


def _name(job: Any) -> str:
    return job.name if isinstance(job, Job) else checks.resource_name("jobs", job)
