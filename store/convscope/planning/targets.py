"""The targets of a visualization, with sizes and costs: features of layers, and custom objectives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from convscope.planning.flops import ascent_flops
from convscope.planning.requests import LayerShape, LayerTarget, TargetRequest, VisualizationRequest
from convscope.planning.rows import chunk_rows

__all__ = ["Target", "plan_target", "targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A layer, or one objective.

    Attributes:
        name: name of the layer or of the objective.
        features: the requested features, ascending; (0,) for an objective.
        restarts: ascents of each feature.
        rows: ascents in one chunk.
        depth: number of the model's layers that an ascent goes through.
        flops: floating-point operations of one ascent.
        divisible: whether restarts may be computed separately; False if they depend on each other.
    """

    name: str
    features: tuple[int, ...]
    restarts: int
    rows: int
    depth: int
    flops: float
    divisible: bool = True

    def items(self, feature: int) -> range:
        """Return the numbers of a feature's ascents among those of all the target's features, requested or not."""
        return range(feature * self.restarts, (feature + 1) * self.restarts)

    def chunks_of(self, features: Sequence[int]) -> int:
        """Return how many chunks have ascents of these features, given in ascending order."""
        return self.chunks_with(map(self.items, features))

    def chunks_with(self, runs: Iterable[range]) -> int:
        """Return how many chunks have any of these ascents, given in ascending order."""
        count, after = 0, 0
        for items in runs:
            first = max(after, items.start // self.rows)
            after = (items.stop - 1) // self.rows + 1
            count += after - first
        return count


def targets(request: VisualizationRequest, layers: Sequence[LayerShape]) -> list[Target]:
    """Return the targets of a request, in its order.

    Args:
        request: the visualization.
        layers: the model's layers, from input to logits.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    return [
        plan_target(target, layers, iterations=request.iterations, restarts=request.restarts)
        for target in request.targets
    ]


def plan_target(target: TargetRequest, layers: Sequence[LayerShape], *, iterations: int, restarts: int) -> Target:
    """Return one target with its sizes.

    Args:
        target: a layer's features, or an objective.
        layers: the model's layers, from input to logits.
        iterations: updates of each image.
        restarts: ascents of each feature.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    depth = max(_depth(name, layers) for name in target.layers)
    flops = ascent_flops(layers[:depth], iterations)
    if isinstance(target, LayerTarget):
        feature_count, divisible = layers[depth - 1].feature_count, True
    else:
        feature_count, divisible = 1, target.divisible
    values = sum(prod(layer.output_shape) for layer in layers)
    rows = chunk_rows(values, feature_count * restarts, flops) if divisible else max(2, restarts)
    return Target(
        name=target.name,
        features=target.features,
        restarts=restarts,
        rows=rows,
        depth=depth,
        flops=flops,
        divisible=divisible,
    )


def _depth(name: str, layers: Sequence[LayerShape]) -> int:
    """Return the number of layers up to the one with a name."""
    for place, layer in enumerate(layers, 1):
        if layer.name == name:
            return place
    raise ValueError(f"the model has no layer {name!r}")
