"""Redirected gradients of inactive ReLUs, for ascents whose start has no gradient.

As in Lucid (``misc/redirected_relu_grad.py``): where a ReLU would block the whole gradient of an image, the part of it
that moves inactive inputs towards the active range passes.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import keras
import tensorflow as tf

from convscope.engine.visualization.along import along

__all__ = ["Relu", "redirected", "relu_of"]


class Relu(NamedTuple):
    """A rectifier: its function, and the range of inputs, exclusive, in which its gradient is not zero."""

    function: Callable[[Any], Any]
    low: float
    high: float


_FUNCTIONS: Final = (
    Relu(keras.activations.relu, 0.0, float("inf")),
    Relu(keras.activations.relu6, 0.0, 6.0),
)


def relu_of(layer: Any) -> Relu | None:
    """Return the rectifier that a layer is or ends with; None if it has none, or one that leaks."""
    if isinstance(layer, keras.layers.ReLU):
        high = float("inf") if layer.max_value is None else float(layer.max_value)
        return None if layer.negative_slope else Relu(layer.call, float(layer.threshold), high)
    activation = getattr(layer, "activation", None)
    return next((relu for relu in _FUNCTIONS if relu.function is activation), None)


def redirected(relu: Relu, values: Any, dead: Any) -> Any:
    """Apply a rectifier to values [n, ...], with redirected gradients for the images in ``dead``, bool [n]."""

    def forward(values: Any) -> tuple[Any, Callable[[Any], Any]]:
        return relu.function(values), lambda upstream: _gradient(relu, values, upstream, dead)

    return tf.custom_gradient(forward)(values)


def _gradient(relu: Relu, values: Any, upstream: Any, dead: Any) -> Any:
    nothing = tf.zeros_like(upstream)
    plain = tf.where((values > relu.low) & (values < relu.high), upstream, nothing)
    inwards = ((values <= relu.low) & (upstream > 0)) | ((values >= relu.high) & (upstream < 0))
    blocked = tf.reduce_all(plain == 0, axis=list(range(1, plain.shape.rank)), keepdims=True)
    chosen = blocked & along(dead, plain)
    return tf.where(chosen, tf.where(inwards, upstream, nothing), plain)
