"""What a visualization climbs: layers with their features, and objectives of the user's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from convscope.planning.flops import ascent_flops
from convscope.planning.order import objective_name
from convscope.planning.rows import chunk_rows
from convscope.v1.models_pb2 import Layer
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["Target", "targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A layer, or one objective.

    Attributes:
        name: the layer's; for an objective what its images are listed under.
        features: those asked for, rising; (0,) for an objective.
        restarts: ascents of each feature.
        rows: ascents in one chunk.
        depth: number of the model's layers that an ascent goes through.
        flops: floating-point operations of one ascent.
        objective: which of the spec's objectives, from 0; None for a layer.
        divisible: whether restarts may be computed apart; not where they look at each other.
    """

    name: str
    features: tuple[int, ...]
    restarts: int
    rows: int
    depth: int
    flops: float
    objective: int | None = None
    divisible: bool = True

    def items(self, feature: int) -> range:
        """Return the numbers of a feature's ascents among those of all of the target's features, asked for or not."""
        return range(feature * self.restarts, (feature + 1) * self.restarts)

    def chunks_of(self, features: Sequence[int]) -> int:
        """Return how many chunks have ascents of these features, which rise."""
        return self.chunks_with(map(self.items, features))

    def chunks_with(self, runs: Iterable[range]) -> int:
        """Return how many chunks have any of these ascents, which rise."""
        count, after = 0, 0
        for items in runs:
            first = max(after, items.start // self.rows)
            after = (items.stop - 1) // self.rows + 1
            count += after - first
        return count


def targets(spec: VisualizeSpec, layers: Sequence[Layer]) -> list[Target]:
    """Return the layers of the spec's selections, then its objectives, in the spec's order.

    Args:
        spec: every default filled in.
        layers: those of the model, from input to logits.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    found = [_layer(spec, index, layers) for index in range(len(spec.selections))]
    return found + [_objective(spec, index, layers) for index in range(len(spec.objectives))]


def _layer(spec: VisualizeSpec, index: int, layers: Sequence[Layer]) -> Target:
    selection = spec.selections[index]
    depth = next((place for place, layer in enumerate(layers, 1) if layer.name == selection.name), 0)
    if not depth:
        raise ValueError(f"the model has no layer {selection.name!r}")
    flops = ascent_flops(layers[:depth], spec.iterations)
    return Target(
        name=selection.name,
        features=tuple(sorted(set(selection.list.indices))),
        restarts=restarts_of(spec),
        rows=chunk_rows(_values(layers), layers[depth - 1].features * restarts_of(spec), flops),
        depth=depth,
        flops=flops,
    )


def _objective(spec: VisualizeSpec, index: int, layers: Sequence[Layer]) -> Target:
    objective = spec.objectives[index]
    places = {layer.name: place for place, layer in enumerate(layers, 1)}
    names = [_tapped(objective, number) for number in range(len(objective.terms))]
    if unknown := [name for name in names if name not in places]:
        raise ValueError(f"the model has no layer {unknown[0]!r}")
    restarts, depth = restarts_of(spec), max(places[name] for name in names)
    flops = ascent_flops(layers[:depth], spec.iterations)
    together = any(term.HasField("diversity") for term in objective.terms)
    return Target(
        name=objective_name(index, objective.name),
        features=(0,),
        restarts=restarts,
        rows=max(2, restarts) if together else chunk_rows(_values(layers), restarts, flops),
        depth=depth,
        flops=flops,
        objective=index,
        divisible=not together,
    )


def _values(layers: Sequence[Layer]) -> int:
    """Return how many numbers all layers put out for one image."""
    return sum(prod(layer.output_shape) for layer in layers)


def _tapped(objective: Objective, number: int) -> str:
    """Return the layer that a term looks at."""
    term = objective.terms[number]
    match term.WhichOneof("what"):
        case None:
            return ""
        case "neuron":
            return term.neuron.feature.layer
        case what:
            return str(getattr(term, what).layer)


def restarts_of(spec: VisualizeSpec) -> int:
    """Return the ascents of each feature; a spec that does not say asks for one."""
    return spec.restarts if spec.HasField("restarts") else 1
