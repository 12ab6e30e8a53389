"""The images that ascents start from."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from convscope.worker.randomness import generator

__all__ = ["starting_images"]


def starting_images(
    shape: tuple[int, ...], *, seed: int, layer: str, features: Iterable[int]
) -> npt.NDArray[np.float32]:
    """Return 0.1 * U[0, 1) + 0.45 as float32 [features, *shape].

    Each image is a function of seed, layer and feature alone, whatever it is asked for with.
    """
    return np.stack([_start(shape, seed, layer, feature) for feature in features])


def _start(shape: tuple[int, ...], seed: int, layer: str, feature: int) -> npt.NDArray[np.float32]:
    restart = 0  # part of the name, so that further attempts at a feature can have starts of their own
    uniform = generator("start", seed, layer, feature, restart).random(shape, np.float32)
    return np.float32(0.1) * uniform + np.float32(0.45)
