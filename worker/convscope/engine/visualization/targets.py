"""The compiled targets of a model, which all models of an architecture share."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

import keras

from convscope.engine.evaluation.classification import Classifier, has_classes
from convscope.engine.models.graph import Graph
from convscope.engine.models.network import describe_layers
from convscope.engine.runtime.caches import COMPILED_BYTES
from convscope.engine.visualization.objective.objectives import Objective
from convscope.engine.visualization.target import Target, layer_target, objective_target
from convscope.planning import RenderSettings

__all__ = ["Targets"]

# Bounds the targets whose compiled functions are kept: the most recently used ones.
MOST_TARGETS: Final = 16


class Targets:
    """The most recently used targets of a model, with their compiled functions, which follow the model's weights.

    Attributes:
        layers: of the model, from input to output.
        classify: predicts classes; None if the model has no classes.

    Raises:
        ModelFileError: if the model is not made of layers between one image and one output.
    """

    def __init__(self, model: keras.Model) -> None:
        self._graph = Graph(model)
        self.layers = describe_layers(self._graph)
        self._targets: OrderedDict[Hashable, Target] = OrderedDict()
        self.classify = Classifier(model) if has_classes(model) else None

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the compiled functions, in bytes."""
        classifying = self.classify.size_bytes if self.classify else 0
        return classifying + COMPILED_BYTES * sum(target.compiled for target in self._targets.values())

    def weights_changed(self) -> None:
        """Drop what was computed from the weights' values."""
        for target in self._targets.values():
            target.weights_changed()

    def layer(self, name: str, render: RenderSettings) -> Target:
        """Return the features of a layer.

        Raises:
            ComputationError: if there is no such layer with features.
        """
        return self._target((name, render), lambda: layer_target(self._graph, name, render))

    def objective(self, name: str, objective: Objective, render: RenderSettings) -> Target:
        """Return an objective with a name.

        Raises:
            ComputationError: if the objective needs something that the model lacks.
        """
        return self._target((name, objective, render), lambda: objective_target(self._graph, name, objective, render))

    def _target(self, key: Hashable, make: Callable[[], Target]) -> Target:
        if key not in self._targets:
            self._targets[key] = make()
        self._targets.move_to_end(key)
        while len(self._targets) > MOST_TARGETS:
            self._targets.popitem(last=False)
        return self._targets[key]
