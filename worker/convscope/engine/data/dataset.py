"""Labelled sets of images in memory, which can be loaded by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine.data import mnist
from convscope.engine.errors import DatasetError

__all__ = ["Dataset", "Examples", "Split", "check_examples", "load_dataset", "scaled"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """One part of a dataset; the arrays are read-only.

    Attributes:
        images: uint8 [n, height, width, channels], 0 to 255.
        labels: int64 [n], class numbers.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


# Images, uint8 [n, height, width, channels] or for grey ones [n, height, width], and class numbers, integers [n].
Examples: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """A labelled set of images, all of one shape (height, width, channels), cut into three disjoint splits."""

    name: str
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @classmethod
    def from_arrays(
        cls,
        train: Examples,
        *,
        validation: Examples | None = None,
        test: Examples | None = None,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
    ) -> "Dataset":
        """Return a dataset of arrays, which are copied.

        Args:
            train: images, uint8 [n, height, width, channels] or for grey ones [n, height, width], 0 to 255; and class
                numbers, integers [n].
            validation: the same for the validation split, which is empty by default.
            test: the same for the test split, which is empty by default.
            classes: names of the classes; by default the numbers from 0 to the largest label.
            name: for messages.

        Raises:
            DatasetError: if images and labels do not fit each other, or the splits do not.
        """
        first = _split_of(train)
        shape = first.images.shape[1:]
        empty = (np.empty((0, *shape), np.uint8), np.empty(0, np.int64))
        splits = [first, *(_split_of(empty if examples is None else examples) for examples in (validation, test))]
        labels = np.concatenate([split.labels for split in splits])
        if any(split.images.shape[1:] != shape for split in splits):
            raise DatasetError(
                f"all images must have one shape, not {', '.join(str(split.images.shape[1:]) for split in splits)}"
            )
        count = int(labels.max(initial=-1)) + 1
        if classes is not None and count > len(classes):
            raise DatasetError(f"there are {len(classes)} classes, and a label is {count - 1}; labels count from 0")
        return cls(
            name=name,
            image_shape=shape,
            classes=tuple(map(str, range(count))) if classes is None else tuple(classes),
            train=splits[0],
            validation=splits[1],
            test=splits[2],
        )

    def split(self, name: str) -> Split:
        """Return the split called ``name``.

        Raises:
            DatasetError: if there is none.
        """
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        if name not in splits:
            raise DatasetError(f"{self.name} has no split {name!r}; it has {', '.join(splits)}")
        return splits[name]


def load_dataset(name: str) -> Dataset:
    """Return a dataset, from memory if this process has loaded it before.

    Args:
        name: ``datasets/{id}``, or the id.

    Raises:
        DatasetError: if there is none of this name, or its files are missing or damaged.
    """
    return _loaded(name if "/" in name else f"datasets/{name}")


@lru_cache(maxsize=4)
def _loaded(name: str) -> Dataset:
    if name not in _LOADERS:
        raise DatasetError(f"there is no dataset {name!r}; there is {', '.join(_LOADERS)}")
    return _LOADERS[name]()


def scaled(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return images as networks read them: float32, 0 to 1."""
    return np.divide(images, 255, dtype=np.float32)


def check_examples(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
    """Check that arrays are images with their labels.

    Raises:
        DatasetError: if they are not.
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise DatasetError(
            f"images must be uint8 [n, height, width, channels], 0 to 255, not {images.dtype} {list(images.shape)}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        raise DatasetError(
            f"labels must be integers [{len(images)}], one for each image, not {labels.dtype} {list(labels.shape)}"
        )
    if labels.min(initial=0) < 0:
        raise DatasetError(f"labels count from 0; there is {labels.min()}")


def _split_of(examples: Examples) -> Split:
    images, labels = (np.array(values) for values in examples)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    check_examples(images, labels)
    return _split(images, labels.astype(np.int64))


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
