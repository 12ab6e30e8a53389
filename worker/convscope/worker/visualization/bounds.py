"""What the objective of a feature cannot exceed, whatever the image."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.worker.visualization.graph import Graph, Step
from convscope.worker.visualization.intervals import Interval, has_sound_weights, interval_of
from convscope.worker.visualization.layers import kernel_of, linear

__all__ = ["Bounds"]

# Most features whose bounds are computed together; a fixed partition, so that a bound's bits do not depend on what is
# asked.
MOST_FEATURES: Final = 16
# Bounds the memory that this takes: values of a layer's input or output for a block (32 MiB of float64).
MOST_VALUES: Final = 4 * 2**20


class Bounds:
    """Upper bounds of the pre-activation objectives of a layer's features over all images in [0, 1].

    Such an objective, the mean over space of a channel or the value of a unit, is linear in the layer's input:
    <input, cotangent> + bias. With the input between low and high it is at most the sum of cotangent * high where the
    cotangent is positive and cotangent * low elsewhere. Where the input is the image itself, some image reaches that.
    """

    def __init__(self, graph: Graph, step: Step) -> None:
        self._graph = graph
        self._step = step
        self._blocks: dict[int, npt.NDArray[np.float64]] = {}

    def upper(self, features: Sequence[int]) -> list[float | None]:
        """Return the bound of each feature, up to float32 rounding; None where none is known."""
        if self._input is None:
            return [None] * len(features)
        size = self._size
        found = [self._block(feature // size)[feature % size] for feature in features]
        return [float(bound) if np.isfinite(bound) else None for bound in found]

    @cached_property
    def _input(self) -> Interval | None:
        """The bounds of the layer's input."""
        reads = self._step.reads
        known = len(reads) == 1 and has_sound_weights(self._step.layer)
        return interval_of(self._graph, reads[0]) if known else None

    @cached_property
    def _size(self) -> int:
        """Features in a block."""
        values = max(math.prod(self._graph.shape(self._step.reads[0])), math.prod(self._step.shape))
        return max(1, min(MOST_FEATURES, MOST_VALUES // values))

    def _block(self, number: int) -> npt.NDArray[np.float64]:
        if number not in self._blocks:
            first = number * self._size
            block = range(first, min(first + self._size, self._step.shape[-1]))
            self._blocks[number] = _upper(self._step.layer, block, self._input)
        return self._blocks[number]


def _upper(layer: Any, features: Sequence[int], given: Any) -> npt.NDArray[np.float64]:
    cotangents = _cotangents(layer, features, given.low.shape[1:])
    low, high = (np.asarray(end, np.float64) for end in given)
    products = np.where(cotangents > 0, cotangents * high, cotangents * low)
    sums: npt.NDArray[np.float64] = products.reshape(len(features), -1).sum(axis=1)
    return sums + _biases(layer, features)


def _cotangents(layer: Any, features: Sequence[int], shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the gradient of each feature's objective by the layer's input, [features, *shape]."""
    inputs = tf.zeros([len(features), *shape])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = linear(layer, inputs, tf.convert_to_tensor(kernel_of(layer)))
    positions = int(np.prod(outputs.shape[1:-1]))
    chosen = tf.one_hot(list(features), outputs.shape[-1]) / positions
    upstream = tf.reshape(chosen, [len(features), *[1] * (outputs.shape.rank - 2), -1])
    gradient = tape.gradient(outputs, inputs, output_gradients=tf.broadcast_to(upstream, outputs.shape))
    return np.asarray(gradient, np.float64)


def _biases(layer: Any, features: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return what is added to the linear part: for dense layers the bias; objectives of convolutions are without."""
    if isinstance(layer, keras.layers.Dense) and layer.use_bias:
        return np.asarray(layer.bias, np.float64)[list(features)]
    return np.zeros(len(features))
