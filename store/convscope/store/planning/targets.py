"""What a visualization climbs: layers with their features, and objectives of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from convscope.store.images import objective_name
from convscope.store.planning.rows import chunk_rows
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
        objective: which of the spec's objectives, from 0; None for a layer.
    """

    name: str
    features: tuple[int, ...]
    restarts: int
    rows: int
    depth: int
    objective: int | None = None

    def chunks_of(self, features: Sequence[int]) -> int:
        """Return how many chunks have ascents of these features, which rise."""
        count, after = 0, 0
        for feature in features:
            first = max(after, feature * self.restarts // self.rows)
            after = ((feature + 1) * self.restarts - 1) // self.rows + 1
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
    values = sum(prod(layer.output_shape) for layer in layers)
    places = {layer.name: place for place, layer in enumerate(layers)}
    found = [_layer(spec, index, layers, values) for index in range(len(spec.selections))]
    return found + [_objective(spec, index, places, values) for index in range(len(spec.objectives))]


def _layer(spec: VisualizeSpec, index: int, layers: Sequence[Layer], values: int) -> Target:
    selection = spec.selections[index]
    depth = next((place for place, layer in enumerate(layers, 1) if layer.name == selection.name), 0)
    if not depth:
        raise ValueError(f"the model has no layer {selection.name!r}")
    return Target(
        name=selection.name,
        features=tuple(sorted(set(selection.list.indices))),
        restarts=restarts_of(spec),
        rows=chunk_rows(values, layers[depth - 1].features * restarts_of(spec)),
        depth=depth,
    )


def _objective(spec: VisualizeSpec, index: int, places: dict[str, int], values: int) -> Target:
    objective = spec.objectives[index]
    names = [_tapped(objective, number) for number in range(len(objective.terms))]
    if unknown := [name for name in names if name not in places]:
        raise ValueError(f"the model has no layer {unknown[0]!r}")
    restarts = restarts_of(spec)
    together = any(term.HasField("diversity") for term in objective.terms)
    return Target(
        name=objective_name(index, objective.name),
        features=(0,),
        restarts=restarts,
        rows=max(2, restarts) if together else chunk_rows(values, restarts),
        depth=1 + max(places[name] for name in names),
        objective=index,
    )


def _tapped(objective: Objective, number: int) -> str:
    """Return the layer that a term looks at."""
    term = objective.terms[number]
    what = term.WhichOneof("what")
    return str(getattr(term, what).layer) if what else ""


def restarts_of(spec: VisualizeSpec) -> int:
    """Return the ascents of each feature; a spec that does not say asks for one."""
    return spec.restarts if spec.HasField("restarts") else 1
