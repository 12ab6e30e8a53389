"""A labelled set of images in memory, and how to get it by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from convscope.engine.data import mnist
from convscope.engine.errors import DatasetError

__all__ = ["Dataset", "Split", "load_dataset", "scaled"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """One part of a dataset; the arrays are read-only.

    images: uint8 [n, height, width, channels], 0 to 255. labels: int64 [n], class numbers.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """A labelled set of images, all of one shape (height, width, channels), cut into three disjoint splits."""

    name: str
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def split(self, name: str) -> Split:
        """Return the split called `name`; raises DatasetError if there is none."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        if name not in splits:
            raise DatasetError(f"{self.name} has no split {name!r}; it has {', '.join(splits)}")
        return splits[name]


@lru_cache(maxsize=4)
def load_dataset(name: str) -> Dataset:
    """Return the dataset `datasets/{id}`, from memory if this process has loaded it before.

    Raises DatasetError if there is none of this name, or its files are missing or damaged.
    """
    if name not in _LOADERS:
        raise DatasetError(f"there is no dataset {name!r}; this worker has {', '.join(_LOADERS)}")
    return _LOADERS[name]()


def scaled(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return images as networks see them: float32, 0 to 1."""
    return np.divide(images, 255, dtype=np.float32)


def _mnist() -> Dataset:
    (images, labels), test = mnist.read("train"), mnist.read("t10k")
    held_out = mnist.VALIDATION_EXAMPLES
    return Dataset(
        name="datasets/mnist",
        image_shape=mnist.IMAGE_SHAPE,
        classes=mnist.CLASSES,
        train=_split(images[:-held_out], labels[:-held_out]),
        validation=_split(images[-held_out:], labels[-held_out:]),
        test=_split(*test),
    )


def _split(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Split:
    images.flags.writeable = labels.flags.writeable = False
    return Split(images=images, labels=labels)


_LOADERS: Final[Mapping[str, Callable[[], Dataset]]] = MappingProxyType({"datasets/mnist": _mnist})
