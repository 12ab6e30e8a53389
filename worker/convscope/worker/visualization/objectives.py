"""What is to rise: the pre-activation of a feature of a convolution or dense layer.

It is linear in the layer's input: <input, cotangent>, plus a bias. The cotangent is the gradient of the objective by
the layer's input. It is the same at every iteration, so the layer itself never has to be computed during the ascent.

For a channel of a convolution the objective is the mean over space of its output before bias and activation; for a
dense unit its pre-activation with bias; for a class its logit.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from convscope.worker.errors import ComputationError

__all__ = ["LinearObjective", "linear_objective", "target_layer"]


class LinearObjective(NamedTuple):
    """Objectives of n features of one layer: <input, cotangents> + biases.

    `cotangents` is a float32 tensor [n, *shape of the layer's input], `biases` one of shape [n].
    """

    cotangents: Any
    biases: Any


def target_layer(model: keras.Model, name: str) -> keras.layers.Layer:
    """Return the layer called `name`; raises ComputationError if there is none, or it has no features."""
    kinds = keras.layers.Conv2D | keras.layers.Dense
    having = {layer.name: layer for layer in model.layers if isinstance(layer, kinds)}
    if name not in having:
        raise ComputationError(
            f"the model has no layer {name!r} with features; those that have are {', '.join(having)}"
        )
    return having[name]


def linear_objective(layer: keras.layers.Layer, features: Any) -> LinearObjective:
    """Return the objectives of features, an int32 tensor [n] of static size, with the layer's weights as they are now.

    To be called inside a compiled function, which drops the operations that only serve to derive the gradient.
    """
    count = features.shape[0]
    kernel = tf.convert_to_tensor(layer.kernel.value)
    sound = tf.math.is_finite(kernel)
    inputs = tf.zeros([count, *layer.input.shape[1:]])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = _linear(layer, inputs, tf.where(sound, kernel, 0.0))
    positions = tf.cast(tf.size(outputs[0, ..., 0]), tf.float32)
    chosen = tf.one_hot(features, outputs.shape[-1]) / positions
    upstream = tf.broadcast_to(_along(chosen, outputs), outputs.shape)
    cotangents = tape.gradient(outputs, inputs, output_gradients=upstream)
    # A weight that is no number spoils its own feature, not those that are computed along with it.
    broken = tf.reduce_any(tf.logical_not(sound), axis=list(range(kernel.shape.rank - 1)))
    spoilt = tf.where(tf.gather(broken, features), np.float32(np.nan), 0.0)
    return LinearObjective(cotangents + _along(spoilt, cotangents), _biases(layer, features))


def _linear(layer: keras.layers.Layer, inputs: Any, kernel: Any) -> Any:
    """Compute the layer without its bias and activation."""
    if isinstance(layer, keras.layers.Conv2D):
        return layer.convolution_op(inputs, kernel)
    return keras.ops.matmul(inputs, kernel)


def _along(values: Any, others: Any) -> Any:
    """Return values, [n] or [n, channels], with axes of length 1 put in, to go along with [n, ..., channels]."""
    return tf.reshape(values, [values.shape[0], *[1] * (others.shape.rank - 2), -1])


def _biases(layer: keras.layers.Layer, features: Any) -> Any:
    if isinstance(layer, keras.layers.Dense) and layer.use_bias:
        return tf.gather(layer.bias.value, features)
    return tf.zeros(features.shape)
