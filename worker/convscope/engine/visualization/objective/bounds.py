"""Upper bounds of objectives over all images."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.models.graph import Graph, Step
from convscope.engine.visualization.objective.gradients import ObjectiveOf
from convscope.engine.visualization.objective.intervals import Interval, interval_of
from convscope.engine.visualization.objective.linear import LinearObjective, linear_objective

__all__ = ["Bounds"]

# Bounds the objectives that are computed together; the partition is fixed, so that a bound's bits do not depend on the
# request.
MOST_FEATURES: Final = 16
# Bounds the values of a layer's input or output for a block (32 MiB of float64).
MOST_VALUES: Final = 4 * 2**20


class Bounds:
    """Upper bounds of objectives that are linear in the input of one layer, over all images in [0, 1].

    Such an objective (the mean over space of a channel, or the value of a unit, for example) is <input, cotangent> +
    bias. With the input between low and high it is at most the sum of cotangent * high where the cotangent is positive
    and cotangent * low elsewhere. Where the input is the image itself, an image reaches that.

    Args:
        graph: the network.
        step: the layer; see ``linear_step``.
        objective_of: returns the objective of features.
        features: their number.
    """

    def __init__(self, graph: Graph, step: Step, objective_of: ObjectiveOf, features: int) -> None:
        self._graph = graph
        self._step = step
        self._objective_of = objective_of
        self._features = features
        self._blocks: dict[int, npt.NDArray[np.float64]] = {}

    def upper(self, features: Sequence[int]) -> list[float | None]:
        """Return the bound of each feature, up to float32 rounding; None where none is known."""
        given = self._input
        if given is None:
            return [None] * len(features)
        size = self._size
        bounds = [self._block(feature // size, given)[feature % size] for feature in features]
        return [float(bound) if np.isfinite(bound) else None for bound in bounds]

    @cached_property
    def _input(self) -> Interval | None:
        """The bounds of the layer's input."""
        return interval_of(self._graph, self._step.reads[0])

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        """The shape of the layer's input."""
        return self._graph.shape(self._step.reads[0])

    @cached_property
    def _size(self) -> int:
        """Features in a block."""
        values = max(math.prod(self._shape), math.prod(self._step.shape))
        return max(1, min(MOST_FEATURES, MOST_VALUES // values))

    def _block(self, number: int, given: Interval) -> npt.NDArray[np.float64]:
        if number not in self._blocks:
            first = number * self._size
            block = range(first, min(first + self._size, self._features))
            objective = self._objective_of(tf.constant(block))
            self._blocks[number] = _upper(linear_objective(self._step, objective, [len(block), *self._shape]), given)
        return self._blocks[number]


def _upper(objective: LinearObjective, given: Interval) -> npt.NDArray[np.float64]:
    cotangents, low, high = (np.asarray(tensor, np.float64) for tensor in (objective.cotangents, *given))
    products = np.where(cotangents > 0, cotangents * high, cotangents * low)
    sums: npt.NDArray[np.float64] = products.reshape(len(products), -1).sum(axis=1)
    return sums + np.asarray(objective.biases, np.float64)
