"""The ascent of a chunk of images, as one compiled loop over the part of the network below the target layer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.worker.visualization.below import Below, Network
from convscope.worker.visualization.objectives import LinearObjective, linear_objective

__all__ = ["Ascent", "State"]

# Keeps the step finite where the gradient is constant.
EPSILON = 1e-8


class State(NamedTuple):
    """Where the ascent of n images stands; tensors, float32 unless said otherwise.

    iteration: int32, updates made so far; -1 before the first evaluation.
    image, gradient: [n, h, w, c], the image and the gradient of the objective there.
    step_size, objective: [n], both at the image.
    best_image, best_objective, best_iteration: the best image so far; the last is int32 [n].
    """

    iteration: Any
    image: Any
    gradient: Any
    step_size: Any
    objective: Any
    best_image: Any
    best_objective: Any
    best_iteration: Any


class Ascent:
    """Climbs the objectives of one layer, in chunks of one size; may be used from many threads at once."""

    def __init__(self, model: keras.Model, layer: keras.layers.Layer, rows: int) -> None:
        self._layer = layer
        self._below = Below(model, layer)
        signature = _signature(rows, model.inputs[0].shape[1:])
        self._compiled = tf.function(self._climb, autograph=False).get_concrete_function(*signature)

    def start(self, images: npt.NDArray[np.float32]) -> State:
        """Return the state before the first evaluation of images [n, h, w, c]."""
        image, none = tf.constant(images), tf.zeros(len(images))
        return State(
            iteration=tf.constant(-1),
            image=image,
            gradient=tf.zeros_like(image),
            step_size=none,
            objective=none,
            best_image=image,
            best_objective=none - np.inf,
            best_iteration=tf.zeros(len(images), tf.int32),
        )

    def climb(self, state: State, features: Sequence[int], count: int) -> State:
        """Return the state `count` iterations later, of images that each climb the objective of one feature.

        An iteration updates the image, then evaluates it: n updates of a new state take n + 1 iterations, the first of
        which only evaluates. The bits do not depend on how many iterations a call does.
        """
        return State(*self._compiled(state, tf.constant(features), tf.constant(count)))

    def _climb(self, state: State, features: Any, count: Any) -> State:
        network, objective = self._below.network(), linear_objective(self._layer, features)

        def body(done: Any, state: State) -> tuple[Any, State]:
            return done + 1, _iterated(state, network, objective)

        climbed: State
        _, climbed = tf.while_loop(lambda done, _: done < count, body, (tf.constant(0), state), parallel_iterations=1)
        return climbed


def _iterated(state: State, network: Network, objective: LinearObjective) -> State:
    iteration, image = state.iteration + 1, _updated(state)
    gradient, value = _evaluated(image, network, objective)
    better = value > state.best_objective  # false for NaN
    return State(
        iteration=iteration,
        image=image,
        gradient=gradient,
        step_size=1.0 / (tf.math.reduce_std(gradient, axis=[1, 2, 3]) + EPSILON),
        objective=value,
        best_image=tf.where(_along(better), image, state.best_image),
        best_objective=tf.where(better, value, state.best_objective),
        best_iteration=tf.where(better, iteration, state.best_iteration),
    )


def _updated(state: State) -> Any:
    """Return the images after a step along their gradients; one whose gradient is no number stays as it is."""
    change = _along(state.step_size) * state.gradient
    alive = tf.reduce_all(tf.math.is_finite(change), axis=[1, 2, 3], keepdims=True)
    return tf.where(alive, tf.clip_by_value(state.image + change, 0.0, 1.0), state.image)


def _evaluated(image: Any, network: Network, objective: LinearObjective) -> tuple[Any, Any]:
    """Return gradient [n, h, w, c] and value [n] of the objective: the chain rule below the layer, a constant above."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(image)
        inputs = network(image)
    gradient = tape.gradient(inputs, image, output_gradients=objective.cotangents)
    products = tf.reshape(inputs * objective.cotangents, [inputs.shape[0], -1])
    return gradient, tf.reduce_sum(products, axis=1) + objective.biases


def _along(values: Any) -> Any:
    """Return one value for each image, [n], shaped to go along with images [n, h, w, c]."""
    return tf.reshape(values, [-1, 1, 1, 1])


def _signature(rows: int, image_shape: Sequence[int]) -> list[Any]:
    image = tf.TensorSpec([rows, *image_shape], tf.float32)
    number, whole = tf.TensorSpec([rows], tf.float32), tf.TensorSpec([rows], tf.int32)
    count = tf.TensorSpec([], tf.int32)
    state = State(
        iteration=count,
        image=image,
        gradient=image,
        step_size=number,
        objective=number,
        best_image=image,
        best_objective=number,
        best_iteration=whole,
    )
    return [state, whole, count]
