"""Which features of a layer ascend together.

A feature's last bits depend on the number of images beside it and on its place among them (other kernels, other
vector lanes), never on what these images show. So both are fixed for each feature: chunks have one size for a layer,
and feature f is always row f % size of chunk f // size.
"""

import math
from collections.abc import Iterable
from typing import Final

import keras

__all__ = ["chunk_size", "chunks"]

# A batch of this many small images keeps a core's caches warm; more brings nothing, less costs overhead.
MAX_ROWS: Final = 16
# A batch of one takes other kernels, slower ones.
MIN_ROWS: Final = 2
# Bounds the activations of one chunk, in float32 values (256 MiB); the gradient takes as much again.
MAX_VALUES: Final = 64 * 2**20


def chunk_size(model: keras.Model, features: int) -> int:
    """Return how many features of a layer ascend together: a function of the model's and the layer's shapes alone.

    Chunks are equal up to rounding, and even in number where there are many, so that they fill two threads or four.
    """
    values: int = sum(math.prod(layer.output.shape[1:]) for layer in model.layers)
    rows = max(MIN_ROWS, min(MAX_ROWS, MAX_VALUES // values))
    count = -(-features // rows)
    even = count + count % 2
    return max(MIN_ROWS, -(-features // even))


def chunks(features: Iterable[int], size: int) -> list[list[int]]:
    """Return the features without duplicates, in rising order, grouped by the chunk that each belongs to."""
    groups: dict[int, list[int]] = {}
    for feature in sorted(set(features)):
        groups.setdefault(feature // size, []).append(feature)
    return list(groups.values())
