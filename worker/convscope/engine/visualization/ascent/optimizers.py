"""Optimizers of ascents, which treat every image separately."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

import tensorflow as tf

from convscope.planning import AdamSettings, NormalizedStepSettings, OptimizerSettings

__all__ = ["EPSILON", "Optimizer", "Slots", "make_optimizer"]

# An optimizer's variables, tensors [n, ...].
Slots: TypeAlias = tuple[Any, ...]

# Keeps a step finite where the gradient is constant.
EPSILON: Final = 1e-8

# Decay rates of Adam's means and squares (Kingma and Ba, 2015).
BETA_1: Final = 0.9
BETA_2: Final = 0.999


class Optimizer(Protocol):
    """An update rule; parameters and gradients are float32 tensors [n, ...]."""

    def slots(self, parameters: Any) -> Slots:
        """Return the variables before the first update."""

    def update(self, parameters: Any, gradient: Any, slots: Slots, iteration: Any) -> tuple[Any, Slots]:
        """Return updated parameters and variables; ``iteration``, int32, is the number of earlier updates."""


def make_optimizer(settings: OptimizerSettings) -> Optimizer:
    """Return the optimizer that settings describe."""
    return _MAKERS[type(settings)](settings)


class _NormalizedStep:
    """The tutorial's step: gradient / (population standard deviation of the image's gradient + EPSILON)."""

    def __init__(self, settings: NormalizedStepSettings) -> None:
        self._settings = settings

    def slots(self, parameters: Any) -> Slots:
        del parameters
        return ()

    def update(self, parameters: Any, gradient: Any, slots: Slots, iteration: Any) -> tuple[Any, Slots]:
        axes = list(range(1, gradient.shape.rank))
        step = 1.0 / (tf.math.reduce_std(gradient, axis=axes, keepdims=True) + EPSILON)
        if self._settings.size != 1:
            step *= self._settings.size
        if self._settings.decay != 1:
            step *= tf.pow(tf.constant(self._settings.decay), tf.cast(iteration, tf.float32))
        return parameters + step * gradient, slots


class _Adam:
    """Adam, which maximizes.

    The gradients of an image are divided by the largest element of its first gradient that is not zero. That only
    changes what EPSILON is compared with: gradients deep in an untrained network are 1e-12 and less.
    """

    def __init__(self, settings: AdamSettings) -> None:
        self._rate = settings.learning_rate

    def slots(self, parameters: Any) -> Slots:
        zeros = tf.zeros_like(parameters)
        return zeros, zeros, _largest(zeros)

    def update(self, parameters: Any, gradient: Any, slots: Slots, iteration: Any) -> tuple[Any, Slots]:
        mean, square, unit = slots
        unit = tf.where(unit > 0, unit, _largest(gradient))
        gradient = tf.math.divide_no_nan(gradient, unit)
        mean += (1 - BETA_1) * (gradient - mean)
        square += (1 - BETA_2) * (tf.square(gradient) - square)
        count = tf.cast(iteration + 1, tf.float32)
        unbiased = mean / (1 - tf.pow(BETA_1, count))
        deviation = tf.sqrt(square / (1 - tf.pow(BETA_2, count)))
        return parameters + self._rate * unbiased / (deviation + EPSILON), (mean, square, unit)


def _largest(gradient: Any) -> Any:
    """Return the largest absolute element of each image's gradient, [n, 1, ...]."""
    return tf.reduce_max(tf.abs(gradient), axis=list(range(1, gradient.shape.rank)), keepdims=True)


_MAKERS: Final[dict[type, Callable[[Any], Optimizer]]] = {NormalizedStepSettings: _NormalizedStep, AdamSettings: _Adam}
