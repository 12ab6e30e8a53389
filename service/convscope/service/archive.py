"""A job's images as one NumPy archive: for each layer the images, and which features and restarts they are."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np

from convscope.planning import ImageTarget
from convscope.service.export_names import array_name
from convscope.service.image_index import ImageIndex
from convscope.service.job_images import JobImages
from convscope.service.npz import NpzWriter

__all__ = ["ARCHIVE", "archive"]

ARCHIVE = "images.npz"


def archive(images: JobImages, ready: Sequence[int], index: ImageIndex) -> Iterator[bytes]:
    """Yield the archive, and add its images to the index.

    Args:
        images: the job's images.
        ready: numbers of the images to include, ascending.
        index: lists them.
    """
    writer = NpzWriter()
    for target in images.order.targets:
        first, stop = (bisect_left(ready, bound) for bound in (target.numbers.start, target.numbers.stop))
        if first < stop:
            yield from _layer(writer, images, target, ready[first:stop], index)
    writer.finish()
    yield writer.take()


def _layer(
    writer: NpzWriter, images: JobImages, target: ImageTarget, numbers: Sequence[int], index: ImageIndex
) -> Iterator[bytes]:
    layer, features, restarts = array_name(target.name), array("i"), array("i")
    for row, image in enumerate(images.kept(numbers)):
        if row == 0:
            writer.begin(f"{layer}/best", "<f4", (len(numbers), *image.best.pixels.shape))
        writer.write(image.best.pixels.data)
        index.add(image, file=ARCHIVE, array=f"{layer}/best", row=row)
        features.append(image.feature.index)  # 0 for an objective
        restarts.append(image.restart)
        yield writer.take()
    for row, image in enumerate(images.kept(numbers)):
        if row == 0:
            writer.begin(f"{layer}/final", "<f4", (len(numbers), *image.final.pixels.shape))
        writer.write(image.final.pixels.data)
        yield writer.take()
    for name, column in (("features", features), ("restarts", restarts)):
        writer.begin(f"{layer}/{name}", "<i4", (len(numbers),))
        writer.write(np.asarray(column, "<i4").tobytes())
