"""Targets of a visualization: the features of a layer, or an objective."""

from collections.abc import Iterable, Sequence
from math import prod
from threading import Lock
from typing import Final

from convscope.engine.errors import ComputationError
from convscope.engine.models.graph import Graph
from convscope.engine.visualization.ascent.ascent import Ascent
from convscope.engine.visualization.objective.bounds import Bounds
from convscope.engine.visualization.objective.canonical import canonical
from convscope.engine.visualization.objective.checks import check_objective, feature_step
from convscope.engine.visualization.objective.gradients import ObjectiveGradients, ObjectiveOf
from convscope.engine.visualization.objective.linear import linear_step
from convscope.engine.visualization.objective.objectives import Diversity, Feature, Objective
from convscope.planning import RenderSettings

__all__ = ["Target", "layer_target", "objective_target"]

# Bytes for each value of a network: four float32, for the value, its gradient, intermediate results and the allocator's
# gaps. Processes grew by up to 3.9 of them (plain convolutions of 224 and 512 pixels, MobileNetV2; one thread and two;
# plain and redirected gradients), upper bounds and classification included; and by up to 7.6 with a single image, where
# the bounds take half.
BYTES_PER_VALUE: Final = 16
# Additional memory of optimizer, best image and transforms, in images.
IMAGES: Final = 12
# Bytes of a float32.
PIXEL_BYTES: Final = 4


class Target:
    """Something with numbered features, and its ascents in batches of any size, each compiled once.

    Attributes:
        name: of its images in listings.
        key: of its randomness; equal for equal targets.
        features: their number.
        bytes_per_image: estimated memory of an image during its ascent, at most; see ``BYTES_PER_VALUE``.
        image_bytes: memory of the pixels of an image.
        divisible: whether its batches may be cut; not where the images of a batch depend on each other.
    """

    def __init__(
        self,
        graph: Graph,
        objective_of: ObjectiveOf,
        render: RenderSettings,
        *,
        name: str,
        key: str,
        features: int,
    ) -> None:
        self.name = name
        self.key = key
        self.features = features
        self.divisible = not any(isinstance(term, Diversity) for _, term in objective_of(0).summands)
        self._image_shape = graph.image_shape
        self._render = render
        self._gradients = ObjectiveGradients(graph, objective_of)
        values = max(self._gradients.values + IMAGES * prod(graph.image_shape), graph.largest)
        self.bytes_per_image = BYTES_PER_VALUE * values
        self.image_bytes = PIXEL_BYTES * prod(graph.image_shape)
        self._graph = graph
        self._objective_of = objective_of
        self._bounds = self._new_bounds()
        self._ascents: dict[int, Ascent] = {}
        self._lock = Lock()

    @property
    def rescue(self) -> int:
        """Iterations with redirected gradients where a start has none."""
        return self._render.rescue

    def ascent(self, rows: int) -> Ascent:
        """Return the compiled ascent for batches of ``rows`` images."""
        with self._lock:
            if rows not in self._ascents:
                self._ascents[rows] = Ascent(self._gradients, self._render, self._image_shape, rows)
                self._ascents[rows].compile()
            return self._ascents[rows]

    @property
    def compiled(self) -> int:
        """Number of functions that are compiled, or about to be."""
        return len(self._ascents)

    def weights_changed(self) -> None:
        """Drop the upper bounds; ascents read the weights as they are."""
        self._bounds = self._new_bounds()

    def _new_bounds(self) -> Bounds | None:
        step = linear_step(self._graph, self._objective_of(0))
        return Bounds(self._graph, step, self._objective_of, self.features) if step else None

    def upper_bounds(self, features: Sequence[int]) -> list[float | None]:
        """Return upper bounds of the objectives of features; None where none is known."""
        with self._lock:
            return self._bounds.upper(features) if self._bounds else [None] * len(features)

    def checked(self, features: Iterable[int]) -> list[int]:
        """Return the features.

        Raises:
            ComputationError: if the target lacks one.
        """
        requested = list(features)
        unknown = [feature for feature in requested if not 0 <= feature < self.features]
        if unknown:
            raise ComputationError(f"layer {self.name!r} has no feature {unknown[0]}; it has 0 to {self.features - 1}")
        return requested


def layer_target(graph: Graph, layer: str, render: RenderSettings) -> Target:
    """Return the features of a layer as a target.

    Raises:
        ComputationError: if there is no such layer with features.
    """
    step = feature_step(graph, layer)
    return Target(
        graph,
        lambda features: Feature(layer, features),
        render,
        name=layer,
        key=layer,
        features=step.shape[-1],
    )


def objective_target(graph: Graph, name: str, objective: Objective, render: RenderSettings) -> Target:
    """Return an objective as a target with one feature.

    Raises:
        ComputationError: if the objective needs something that the model lacks.
    """
    check_objective(graph, objective)
    complete = canonical(graph, objective)
    return Target(graph, lambda _: complete, render, name=name, key=repr(complete), features=1)
