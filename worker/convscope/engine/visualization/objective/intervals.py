"""Bounds of the values inside a network over all images: interval arithmetic, layer by layer.

Exact for one layer that is affine or monotone in each input, looser the more layers follow each other.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from convscope.engine.models.graph import IMAGE, Graph, Step
from convscope.engine.models.layers import activation_of, biased, kernel_of, linear

__all__ = ["Interval", "interval_of"]


class Interval(NamedTuple):
    """Bounds of the elements of a value: float32 tensors [1, ...], inclusive."""

    low: Any
    high: Any


Rule: TypeAlias = Callable[[Any, Sequence[Interval]], Interval | None]

# Layers that never lower an output when an input rises: averages, maxima, minima.
MONOTONE: Final = (
    layers.Add,
    layers.Average,
    layers.AveragePooling2D,
    layers.Concatenate,
    layers.Cropping2D,
    layers.Dropout,
    layers.Flatten,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.Identity,
    layers.MaxPooling2D,
    layers.Maximum,
    layers.Minimum,
    layers.Permute,
    layers.Reshape,
    layers.SpatialDropout2D,
    layers.UpSampling2D,
    layers.ZeroPadding2D,
)

MONOTONE_ACTIVATIONS: Final = (
    keras.activations.elu,
    keras.activations.exponential,
    keras.activations.hard_sigmoid,
    keras.activations.leaky_relu,
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.relu6,
    keras.activations.selu,
    keras.activations.sigmoid,
    keras.activations.softplus,
    keras.activations.softsign,
    keras.activations.tanh,
)


def interval_of(graph: Graph, value: int) -> Interval | None:
    """Return the bounds of a value over all images in [0, 1].

    Returns:
        None if a layer on the way is unknown, computes with less than float32, or has a weight that is not finite,
        which maxima may hide.
    """
    shape = [1, *graph.image_shape]
    bounds = {IMAGE: Interval(tf.zeros(shape), tf.ones(shape))}
    steps = graph.towards([value])
    last_read = {read: number for number, step in enumerate(steps) for read in step.reads}
    for number, step in enumerate(steps):
        made = _after(step, [bounds[read] for read in step.reads])
        if made is None or len(step.makes) != 1:
            return None
        bounds[step.makes[0]] = made
        for read in step.reads:
            if last_read[read] == number:
                bounds.pop(read, None)  # a step may read a value twice
    return bounds[value]


def _after(step: Step, inputs: Sequence[Interval]) -> Interval | None:
    rule = RULES.get(type(step.layer))
    if rule is None or step.layer.compute_dtype != "float32" or not _has_sound_weights(step.layer):
        return None
    return rule(step.layer, inputs)


def _has_sound_weights(layer: Any) -> bool:
    """Return whether all weights of a layer are finite."""
    return all(np.isfinite(weight.numpy()).all() for weight in layer.weights)


def _monotone(layer: Any, inputs: Sequence[Interval]) -> Interval:
    lows, highs = [interval.low for interval in inputs], [interval.high for interval in inputs]
    if len(inputs) == 1:
        return Interval(layer(lows[0], training=False), layer(highs[0], training=False))
    return Interval(layer(lows), layer(highs))


def _weighted(layer: Any, inputs: Sequence[Interval]) -> Interval | None:
    (given,) = inputs
    kernel = tf.convert_to_tensor(kernel_of(layer))
    rising, falling = tf.maximum(kernel, 0.0), tf.minimum(kernel, 0.0)
    low = linear(layer, given.low, rising) + linear(layer, given.high, falling)
    high = linear(layer, given.high, rising) + linear(layer, given.low, falling)
    return _activated(activation_of(layer), Interval(biased(layer, low), biased(layer, high)))


def _activation(layer: Any, inputs: Sequence[Interval]) -> Interval | None:
    return _activated(activation_of(layer), inputs[0])


def _activated(activation: Any, given: Interval) -> Interval | None:
    if activation is None:
        return given
    if activation not in MONOTONE_ACTIVATIONS:
        return None
    return Interval(activation(given.low), activation(given.high))


def _rectified(layer: Any, inputs: Sequence[Interval]) -> Interval | None:
    return _monotone(layer, inputs) if layer.negative_slope >= 0 else None


def _affine(layer: Any, inputs: Sequence[Interval]) -> Interval:
    """Bound a layer that scales and shifts each element; a negative scale swaps the ends."""
    ends = [layer(end, training=False) for end in inputs[0]]
    return Interval(tf.minimum(*ends), tf.maximum(*ends))


RULES: Final[dict[type, Rule]] = {
    **dict.fromkeys(MONOTONE, _monotone),
    layers.Activation: _activation,
    layers.BatchNormalization: _affine,
    layers.Conv2D: _weighted,
    layers.Conv2DTranspose: _weighted,
    layers.Dense: _weighted,
    layers.DepthwiseConv2D: _weighted,
    layers.LeakyReLU: _rectified,
    layers.ReLU: _rectified,
    layers.Rescaling: _affine,
}
