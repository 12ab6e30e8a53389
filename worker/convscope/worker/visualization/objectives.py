"""What is to rise: the pre-activation of a feature of a convolution or dense layer.

It is linear in the layer's input: <input, cotangent>, plus a bias. The cotangent is the gradient of the objective by
the layer's input. It is the same at every iteration, so the layer itself never has to be computed during the ascent.

For a channel of a convolution the objective is the mean over space of its output before bias and activation; for a
dense unit its pre-activation with bias; for a class its logit.
"""

from typing import Any, NamedTuple

import keras
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
    inputs = tf.zeros([count, *layer.input.shape[1:]])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = _linear(layer, inputs)
    positions = tf.cast(tf.size(outputs[0, ..., 0]), tf.float32)
    chosen = tf.one_hot(features, outputs.shape[-1]) / positions
    spread = tf.reshape(chosen, [count, *[1] * (outputs.shape.rank - 2), outputs.shape[-1]])
    cotangents = tape.gradient(outputs, inputs, output_gradients=tf.broadcast_to(spread, outputs.shape))
    return LinearObjective(cotangents, _biases(layer, features))


def _linear(layer: keras.layers.Layer, inputs: Any) -> Any:
    """Compute the layer without its bias and activation."""
    if isinstance(layer, keras.layers.Conv2D):
        return layer.convolution_op(inputs, layer.kernel)
    return keras.ops.matmul(inputs, layer.kernel)


def _biases(layer: keras.layers.Layer, features: Any) -> Any:
    if isinstance(layer, keras.layers.Dense) and layer.use_bias:
        return tf.gather(layer.bias.value, features)
    return tf.zeros(features.shape)
