"""The images of visualization jobs, also while they run."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from convscope.client import checks
from convscope.client.connection import Connection
from convscope.client.enums import ExportFormat, ImageFormat, to_wire
from convscope.client.folders import save_folder
from convscope.client.images import FeatureImage
from convscope.client.jobs import Job
from convscope.client.paging import pages
from convscope.client.results import VisualizeResult
from convscope.client.selections import Features, feature_numbers
from convscope.v1 import visualizations_pb2

__all__ = ["Visualizations"]


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
    ) -> Iterator[FeatureImage]:
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
        request = visualizations_pb2.ListVisualizationsRequest(
            job=_name(job),
            layer="" if layer is None else checks.text("layer", layer),
            features=feature_numbers("features", features),
            format=to_wire(ImageFormat, visualizations_pb2.ImageFormat.Value, "format", format),
        )
        found = pages(self._connection, self._connection.visualizations.ListVisualizations, request)
        return (_image(message) for page in found for message in page.visualizations)

    def get(
        self,
        job: Job[VisualizeResult] | str,
        layer: str,
        feature: int = 0,
        *,
        restart: int | None = None,
        format: str = "float32",  # noqa: A002  the contract's word
    ) -> FeatureImage:
        """One image.

        Args:
            job: The visualization.
            layer: Layer or named objective.
            feature: Number of the feature; 0 for an objective.
            restart: Which restart, where all are kept. Default: the first, or the one that there is.
            format: As in `list`.

        Raises:
            NotFound: No such job, or it does not have this image, or the image is not ready yet.
            DataLoss: The image is missing or damaged.
        """
        request = visualizations_pb2.GetVisualizationRequest(
            job=_name(job),
            layer=checks.text("layer", layer),
            feature=checks.int32("feature", feature),
            restart=None if restart is None else checks.int32("restart", restart),
            format=to_wire(ImageFormat, visualizations_pb2.ImageFormat.Value, "format", format),
        )
        return _image(self._connection.call(self._connection.visualizations.GetVisualization, request))

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
            format: `npz`: one archive, `visualizations.npz`. `png`: the best images, `{layer}/{feature}.png`.
                Beside them is `index.json`, which lists every image with its objective, verdict and cache key.

        Raises:
            FailedPrecondition: No image is ready.
            NotFound: No such job.
            DataLoss: An image is missing or damaged, or the server broke off.
            FileExistsError: There is something in the folder.
            OSError: It cannot be written.
        """
        request = visualizations_pb2.ExportVisualizationsRequest(
            job=_name(job), format=to_wire(ExportFormat, visualizations_pb2.ExportFormat.Value, "format", format)
        )
        stream = self._connection.stream(self._connection.visualizations.ExportVisualizations, request)
        with closing(stream) as pieces:
            return save_folder(((piece.path, piece.data) for piece in pieces), Path(folder), last="index.json")


def _name(job: Any) -> str:
    return job.name if isinstance(job, Job) else checks.resource_name("jobs", job)


def _image(message: visualizations_pb2.Visualization) -> FeatureImage:
    return FeatureImage.from_wire(message.image, message.png)
