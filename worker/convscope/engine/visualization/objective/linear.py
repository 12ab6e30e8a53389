"""Objectives that are linear in the input of one layer: pre-activations of its features, and their sums.

They are <input, cotangent> + bias. The cotangent is the gradient of the objective with respect to the layer's input. It
is the same at every iteration, so the layer itself is never computed during the ascent.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from convscope.engine.models.graph import Graph, Step
from convscope.engine.models.layers import has_features, kernel_of, linear
from convscope.engine.visualization.along import along
from convscope.engine.visualization.objective.objectives import LinearTerm, Objective, times

__all__ = ["LinearObjective", "linear_objective", "linear_step"]


class LinearObjective(NamedTuple):
    """Objectives of n images: <input, cotangents> + biases.

    Attributes:
        cotangents: float32 tensor [n, *shape of the layer's input].
        biases: float32 tensor [n].
    """

    cotangents: Any
    biases: Any


def linear_step(graph: Graph, objective: Objective) -> Step | None:
    """Return the step in whose input an objective is linear; None if there is none."""
    terms = [term for _, term in objective.summands]
    names = {term.layer for term in terms}
    if len(names) != 1 or not all(isinstance(term, LinearTerm) and not term.post for term in terms):
        return None
    step = graph.by_name[names.pop()]
    return step if has_features(step.layer) and step.layer.compute_dtype == "float32" else None


def linear_objective(step: Step, objective: Objective, input_shape: Any) -> LinearObjective:
    """Return an objective that is linear in a step's input, with the current weights.

    To be called inside a compiled function, which drops the operations that only serve to derive the gradient.

    Args:
        step: the layer.
        objective: of n images.
        input_shape: of the layer's input, [n, ...].
    """
    layer = step.layer
    kernel = tf.convert_to_tensor(kernel_of(layer))
    sound = tf.math.is_finite(kernel)
    inputs = tf.zeros(input_shape)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = linear(layer, inputs, tf.where(sound, kernel, 0.0))
    functional = _functional(objective, outputs.shape[1:])
    upstream = tf.broadcast_to(functional, outputs.shape)
    cotangents = tape.gradient(outputs, inputs, output_gradients=upstream)
    # A weight that is not finite makes the objectives that use it NaN, not the others of the batch.
    broken = _of_features(tf.reduce_any(tf.logical_not(sound), axis=[0, 1] if kernel.shape.rank == 4 else 0), layer)
    used = _any(tf.logical_and(broken, tf.not_equal(functional, 0.0)))
    added = tf.broadcast_to(tf.where(used, np.float32(np.nan), 0.0), input_shape[:1])
    return LinearObjective(cotangents + along(added, cotangents), _biases(layer, upstream))


def _functional(objective: Objective, shape: Any) -> Any:
    """Return the sum of the functionals of an objective's terms, all of which are linear."""
    parts = [
        times(weight, term.functional(shape)) for weight, term in objective.summands if isinstance(term, LinearTerm)
    ]
    return sum(parts[1:], parts[0])


def _of_features(broken: Any, layer: Any) -> Any:
    """Return which features have a weight that is not finite, bool [features].

    Args:
        broken: flags of the kernel's last axes.
        layer: the layer.
    """
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return tf.reduce_any(broken, axis=-1)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return tf.reshape(broken, [-1])
    return tf.reduce_any(broken, axis=0) if broken.shape.rank == 2 else broken


def _biases(layer: Any, upstream: Any) -> Any:
    """Return the share of the layer's bias in each objective, [n]; it counts for dense layers only.

    Args:
        layer: the layer.
        upstream: functionals of the objectives, [n, *shape of the layer's output]; the bias is added everywhere.
    """
    if not isinstance(layer, keras.layers.Dense) or not layer.use_bias:
        return tf.zeros(upstream.shape[:1])
    products = tf.where(tf.equal(upstream, 0.0), 0.0, upstream * layer.bias.value)
    return tf.reduce_sum(tf.reshape(products, [upstream.shape[0], -1]), axis=1)


def _any(flags: Any) -> Any:
    return tf.reduce_any(tf.reshape(flags, [flags.shape[0], -1]), axis=1)
