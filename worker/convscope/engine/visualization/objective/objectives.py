"""Objectives as immutable values: terms, and weighted sums of them made with ``+``, ``-`` and ``*``.

    Feature("conv2", 3) - 0.5 * Neuron("conv2", 7) + 2 * Diversity("conv2")

A term says where it taps the network, and how its value follows from the values there. Most terms are linear in them:
see ``LinearTerm``. A feature is a number, or an int32 tensor [n] with one for each image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from convscope.engine.visualization.objective.taps import Tap

__all__ = ["Direction", "Diversity", "Feature", "Layer", "LinearTerm", "Neuron", "Objective", "Sum", "Term", "times"]


class Objective:
    """Something to maximize: a weighted sum of terms."""

    __slots__ = ()

    @property
    def summands(self) -> "tuple[tuple[float, Term], ...]":
        """Weights and terms."""
        raise NotImplementedError

    @property
    def taps(self) -> frozenset[Tap]:
        """Places where the network is tapped."""
        return frozenset(term.tap for _, term in self.summands)

    def value(self, tapped: Mapping[Tap, Any]) -> Any:
        """Return the objectives of images, float32 [n].

        Args:
            tapped: float32 tensors [n, ..., features], by tap.
        """
        return tf.add_n([times(weight, term.of(tapped[term.tap])) for weight, term in self.summands])

    def __add__(self, other: "Objective") -> "Sum":
        return Sum((*self.summands, *other.summands))

    def __sub__(self, other: "Objective") -> "Sum":
        return self + -other

    def __neg__(self) -> "Sum":
        return self * -1

    def __mul__(self, factor: float) -> "Sum":
        return Sum(tuple((weight * factor, term) for weight, term in self.summands))

    __rmul__ = __mul__


@dataclass(frozen=True, slots=True)
class Sum(Objective):
    """A weighted sum of terms, never nested."""

    weighted: "tuple[tuple[float, Term], ...]"

    @property
    def summands(self) -> "tuple[tuple[float, Term], ...]":
        """Weights and terms."""
        return self.weighted


class Term(Objective):
    """One value to maximize, at one place of the network; ``post`` taps it after the activation instead of before."""

    __slots__ = ()
    layer: str
    post: bool

    @property
    def summands(self) -> "tuple[tuple[float, Term], ...]":
        """The term itself."""
        return ((1.0, self),)

    @property
    def tap(self) -> Tap:
        """The place where the network is tapped."""
        return Tap(layer=self.layer, place="output" if self.post else "linear")

    def of(self, values: Any) -> Any:
        """Return the value for each image, [n], from tapped values, [n, ..., features]."""
        raise NotImplementedError


class LinearTerm(Term):
    """A term that is linear in the tapped values: <values, functional>."""

    __slots__ = ()

    def functional(self, shape: Sequence[int]) -> Any:
        """Return the functional, [n or 1, ..., features], which broadcasts to values [n, *shape]."""
        raise NotImplementedError

    def of(self, values: Any) -> Any:
        """Return the value for each image, [n], from tapped values, [n, ..., features]."""
        return _sum(values * self.functional(values.shape[1:]))


@dataclass(frozen=True, slots=True)
class Feature(LinearTerm):
    """The mean over space of a convolution's channel; a unit of a dense layer; the logit of a class."""

    layer: str
    feature: Any
    post: bool = False

    def functional(self, shape: Sequence[int]) -> Any:
        """Return 1 / positions at the feature, else 0: [n or 1, 1, ..., features]."""
        positions = np.float32(np.prod(shape[:-1], dtype=np.int64))
        chosen = tf.one_hot(self.feature, shape[-1]) / positions
        return tf.reshape(chosen, [-1, *[1] * (len(shape) - 1), shape[-1]])


@dataclass(frozen=True, slots=True)
class Neuron(LinearTerm):
    """One position of a convolution's channel; row and column are the middle ones if not given."""

    layer: str
    channel: int
    row: int | None = None
    column: int | None = None
    post: bool = False

    def functional(self, shape: Sequence[int]) -> Any:
        """Return 1 at the position of the channel, else 0: [1, h, w, channels]."""
        height, width, _ = shape
        chosen = np.zeros([1, *shape], np.float32)
        row = height // 2 if self.row is None else self.row
        chosen[0, row, width // 2 if self.column is None else self.column, self.channel] = 1
        return tf.constant(chosen)


@dataclass(frozen=True, slots=True)
class Direction(LinearTerm):
    """The mean over space of the scalar product of a layer's values with a vector, used as given."""

    layer: str
    vector: tuple[float, ...]
    post: bool = False

    def functional(self, shape: Sequence[int]) -> Any:
        """Return the vector over the number of positions: [1, 1, ..., features]."""
        vector = np.asarray(self.vector, np.float32) / np.float32(np.prod(shape[:-1], dtype=np.int64))
        return tf.reshape(tf.constant(vector), [1] * len(shape) + [-1])


@dataclass(frozen=True, slots=True)
class Layer(Term):
    """The mean square of a layer's values (DeepDream)."""

    layer: str
    post: bool = False

    def of(self, values: Any) -> Any:
        """Return the mean square for each image, [n]."""
        return tf.reduce_mean(tf.square(values), axis=list(range(1, values.shape.rank)))


@dataclass(frozen=True, slots=True)
class Diversity(Term):
    """How little an image resembles the others of its batch at the same iteration.

    The negative mean of the cosine similarities between its Gram matrix of a convolution's channels and theirs (Lucid's
    ``diversity`` is the sum of these), after the activation as in Lucid: the channels that fire together are an image's
    style. For fewer than two images it is 0.
    """

    layer: str
    post: bool = True

    def of(self, values: Any) -> Any:
        """Return the value for each image, [n]."""
        count, channels = values.shape[0], values.shape[-1]
        if count < 2:
            return tf.zeros([count])
        flat = tf.reshape(values, [count, -1, channels])
        grams = tf.reshape(tf.matmul(flat, flat, transpose_a=True), [count, -1])
        units = tf.math.l2_normalize(grams, axis=1, epsilon=1e-10)
        similar = tf.matmul(units, units, transpose_b=True) * (1 - tf.eye(count))
        return -tf.reduce_sum(similar, axis=1) / (count - 1)


def times(weight: float, values: Any) -> Any:
    """Return values times a weight; the same tensor if the weight is 1."""
    return values if weight == 1 else np.float32(weight) * values


def _sum(values: Any) -> Any:
    return tf.reduce_sum(tf.reshape(values, [values.shape[0], -1]), axis=1)
