"""MNIST, from a folder or from a mirror.

LeCun, Cortes and Burges: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels, grey.
"""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from convscope.engine.data.files import Archive, read_archive
from convscope.engine.data.idx import decode_idx
from convscope.engine.errors import DatasetError

__all__ = ["ARCHIVES", "CLASSES", "IMAGE_SHAPE", "VALIDATION_EXAMPLES", "read"]

IMAGE_SHAPE: Final = (28, 28, 1)
CLASSES: Final = tuple("0123456789")
# The last examples of the training file are held out for validation, as in the tutorial.
VALIDATION_EXAMPLES: Final = 5_000

# The digests are of the content of the gzips: mirrors compress the same files differently.
ARCHIVES: Final = {
    archive.name: archive
    for archive in (
        Archive(
            name="train-images-idx3-ubyte.gz",
            size=47_040_016,
            sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        Archive(
            name="train-labels-idx1-ubyte.gz",
            size=60_008,
            sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        Archive(
            name="t10k-images-idx3-ubyte.gz",
            size=7_840_016,
            sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        Archive(
            name="t10k-labels-idx1-ubyte.gz",
            size=10_008,
            sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    )
}


def read(part: Literal["train", "t10k"]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images uint8 [n, 28, 28, 1] and labels int64 [n] of one of the two published parts.

    Raises:
        DatasetError: naming the file, if it is damaged, or is missing and cannot be downloaded.
    """
    images = _decode(f"{part}-images-idx3-ubyte.gz")
    labels = _decode(f"{part}-labels-idx1-ubyte.gz")
    if images.shape != (len(labels), *IMAGE_SHAPE[:2]):
        raise DatasetError(f"MNIST's {part} files do not match: images {images.shape}, labels {labels.shape}")
    return images[..., np.newaxis], labels.astype(np.int64)


def _decode(name: str) -> npt.NDArray[np.uint8]:
    return decode_idx(read_archive(ARCHIVES[name]), name=name)
