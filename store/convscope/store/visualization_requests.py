"""Converts the contract's visualizations to those of planning, in this one place."""

from collections.abc import Iterable

from convscope.planning import (
    LayerShape,
    LayerTarget,
    ObjectiveTarget,
    VisualizationRequest,
    objective_name,
)
from convscope.v1.models_pb2 import Interpretation, Layer
from convscope.v1.objective_pb2 import Objective, Term
from convscope.v1.visualize_pb2 import Restarts, VisualizeSpec

__all__ = ["cached_interpretation", "layer_shapes", "visualization_request"]


def visualization_request(spec: VisualizeSpec) -> VisualizationRequest:
    """Convert a spec whose defaults are filled in."""
    return VisualizationRequest(
        layers=tuple(
            LayerTarget(name=selection.name, features=tuple(sorted(set(selection.list.indices))))
            for selection in spec.selections
        ),
        objectives=tuple(_objective_target(index, objective) for index, objective in enumerate(spec.objectives)),
        iterations=spec.iterations,
        restarts=spec.restarts if spec.HasField("restarts") else 1,
        keep_all=spec.keep == Restarts.RESTARTS_ALL,
        settings=VisualizeSpec(
            seed=spec.seed,
            trace=spec.trace,
            frames=spec.frames,
            render=spec.render if spec.HasField("render") else None,
        ).SerializeToString(deterministic=True),
    )


def cached_interpretation(interpretation: Interpretation) -> bytes:
    """Return the part of a model's interpretation that images depend on, for cache keys: not the names of classes."""
    return Interpretation(input=interpretation.input, head=interpretation.head).SerializeToString(deterministic=True)


def layer_shapes(layers: Iterable[Layer]) -> list[LayerShape]:
    """Return the sizes of a model's layers."""
    return [
        LayerShape(
            name=layer.name,
            output_shape=tuple(layer.output_shape),
            feature_count=layer.feature_count,
            parameter_count=layer.parameter_count,
        )
        for layer in layers
    ]


def _objective_target(index: int, objective: Objective) -> ObjectiveTarget:
    return ObjectiveTarget(
        name=objective_name(index, objective.name),
        layers=tuple(_layer_of(term) for term in objective.terms),
        divisible=not any(term.HasField("diversity") for term in objective.terms),
        content=objective.SerializeToString(deterministic=True),
    )


def _layer_of(term: Term) -> str:
    """Return the name of the layer that a term refers to, ``""`` for a term without content."""
    match term.WhichOneof("what"):
        case None:
            return ""
        case "neuron":
            return term.neuron.feature.layer
        case kind:
            return str(getattr(term, kind).layer)
