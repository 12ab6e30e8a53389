"""Values of objectives at images, and their gradients with respect to the images."""

from collections.abc import Callable
from math import prod
from typing import Any, Protocol, TypeAlias

import tensorflow as tf

from convscope.engine.models.graph import Graph
from convscope.engine.visualization.objective.linear import LinearObjective, linear_objective, linear_step
from convscope.engine.visualization.objective.objectives import Objective
from convscope.engine.visualization.objective.subnetwork import Subnetwork
from convscope.engine.visualization.objective.taps import Tap

__all__ = ["ObjectiveGradient", "ObjectiveGradients", "ObjectiveOf"]

# Takes the features of a batch, an int32 tensor [n]; returns the objective of its images.
ObjectiveOf: TypeAlias = Callable[[Any], Objective]


class ObjectiveGradient(Protocol):
    """An objective of images [n, h, w, c], inside a compiled function."""

    def value(self, images: Any) -> Any:
        """Return the objective of each image, [n]."""

    def gradient(self, images: Any) -> tuple[Any, Any]:
        """Return the gradients of the objectives, [n, h, w, c], and their values, [n]."""


class ObjectiveGradients:
    """The gradients of one target.

    Where the objective is linear in a layer's input, only the network up to that layer is computed.

    Args:
        graph: the network.
        objective_of: returns the objective of features; must tap the same places for all features.
    """

    def __init__(self, graph: Graph, objective_of: ObjectiveOf) -> None:
        self._graph = graph
        self._objective_of = objective_of
        example = objective_of(0)
        self._linear = linear_step(graph, example)
        taps = example.taps if self._linear is None else [Tap(layer=self._linear.name, place="input")]
        self._subnetwork = Subnetwork(graph, taps)

    @property
    def values(self) -> int:
        """Approximate number of values in memory for one image while its gradient is computed, without its pixels."""
        if self._linear is None:
            return self._subnetwork.values
        # The functional, and its cotangent in the layer's input.
        return self._subnetwork.values + prod(self._linear.shape) + prod(self._graph.shape(self._linear.reads[0]))

    def of(self, features: Any, dead: Any = None) -> ObjectiveGradient:
        """Return the gradient for a batch, with the current weights.

        To be called inside the compiled function that uses it.

        Args:
            features: of the batch, int32 [n].
            dead: bool [n], images whose gradients are redirected through inactive ReLUs.
        """
        network, objective = self._subnetwork.network(dead), self._objective_of(features)
        if self._linear is None:
            return _General(network, objective)

        def inputs(images: Any) -> Any:
            (values,) = network(images).values()
            return values

        shape = [features.shape[0], *self._graph.shape(self._linear.reads[0])]
        return _Linear(inputs, linear_objective(self._linear, objective, shape))


class _General:
    """Any objective, by automatic differentiation of the whole network up to the taps."""

    def __init__(self, network: Callable[[Any], dict[Tap, Any]], objective: Objective) -> None:
        self._network = network
        self._objective = objective

    def value(self, images: Any) -> Any:
        return self._objective.value(self._network(images))

    def gradient(self, images: Any) -> tuple[Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            value = self.value(images)
        return tape.gradient(value, images, unconnected_gradients="zero"), value


class _Linear:
    """A linear objective: automatic differentiation up to the layer, then a constant."""

    def __init__(self, inputs: Callable[[Any], Any], objective: LinearObjective) -> None:
        self._inputs = inputs
        self._objective = objective

    def value(self, images: Any) -> Any:
        return self._value(self._inputs(images))

    def gradient(self, images: Any) -> tuple[Any, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            inputs = self._inputs(images)
        gradient = tape.gradient(inputs, images, output_gradients=self._objective.cotangents)
        return gradient, self._value(inputs)

    def _value(self, inputs: Any) -> Any:
        products = tf.reshape(inputs * self._objective.cotangents, [inputs.shape[0], -1])
        return tf.reduce_sum(products, axis=1) + self._objective.biases
