"""What is visualized: the features of a layer, or an objective."""

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
from convscope.engine.visualization.objective.linear import linear_step
from convscope.engine.visualization.objective.objectives import Diversity, Feature, Objective
from convscope.engine.visualization.objective.slopes import ObjectiveOf, Slopes
from convscope.planning import RenderSettings

__all__ = ["Target", "layer_target", "objective_target"]

# Four float32: a value, its gradient, what lies between two steps, and the allocator's gaps. Processes grew by up to
# 3.9 of them (plain convolutions of 224 and 512 pixels, MobileNetV2; one thread and two; plain and redirected
# gradients), upper bounds and classification included; and by up to 7.6 where a single image climbed, of which the
# bounds take half.
BYTES_PER_VALUE: Final = 16
# What optimizer, best image and transforms hold besides, in images.
IMAGES: Final = 12
# A float32.
PIXEL_BYTES: Final = 4


class Target:
    """Something with numbered features, and its ascents in batches of any size, each compiled once.

    Attributes:
        name: what its images are listed under.
        key: names its randomness; alike for targets that are the same.
        features: how many it has.
        bytes_per_image: memory that a climbing image takes at most, by estimate; see BYTES_PER_VALUE.
        image_bytes: memory that the pixels of an image take.
        divisible: whether its batches may be cut; not where the images of a batch look at each other.
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
        self._slopes = Slopes(graph, objective_of)
        values = max(self._slopes.values + IMAGES * prod(graph.image_shape), graph.largest)
        self.bytes_per_image = BYTES_PER_VALUE * values
        self.image_bytes = PIXEL_BYTES * prod(graph.image_shape)
        self._graph = graph
        self._objective_of = objective_of
        self._bounds = self._new_bounds()
        self._ascents: dict[int, Ascent] = {}
        self._lock = Lock()

    @property
    def rescue(self) -> int:
        """For how many iterations gradients are redirected where a start is dead."""
        return self._render.rescue

    def ascent(self, rows: int) -> Ascent:
        """Return the ascent for batches of a size, compiled."""
        with self._lock:
            if rows not in self._ascents:
                self._ascents[rows] = Ascent(self._slopes, self._render, self._image_shape, rows)
                self._ascents[rows].compile()
            return self._ascents[rows]

    @property
    def compiled(self) -> int:
        """How many functions are compiled, or about to be."""
        return len(self._ascents)

    def weights_changed(self) -> None:
        """Forget the upper bounds; ascents follow the weights."""
        self._bounds = self._new_bounds()

    def _new_bounds(self) -> Bounds | None:
        step = linear_step(self._graph, self._objective_of(0))
        return Bounds(self._graph, step, self._objective_of, self.features) if step else None

    def upper_bounds(self, features: Sequence[int]) -> list[float | None]:
        """Return what no image can exceed, for each feature; None where no bound is known."""
        with self._lock:
            return self._bounds.upper(features) if self._bounds else [None] * len(features)

    def checked(self, features: Iterable[int]) -> list[int]:
        """Return the features; raises ComputationError if the target lacks one."""
        asked = list(features)
        unknown = [feature for feature in asked if not 0 <= feature < self.features]
        if unknown:
            raise ComputationError(f"layer {self.name!r} has no feature {unknown[0]}; it has 0 to {self.features - 1}")
        return asked


def layer_target(graph: Graph, layer: str, render: RenderSettings) -> Target:
    """Return the features of a layer as a target; raises ComputationError if there is no such layer with features."""
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
    """Return an objective as a target with one feature; raises ComputationError if it asks for what the model lacks."""
    check_objective(graph, objective)
    spelled_out = canonical(graph, objective)
    return Target(graph, lambda _: spelled_out, render, name=name, key=repr(spelled_out), features=1)
