"""Checks that a model has what an objective needs."""

from collections.abc import Iterable

from convscope.engine.errors import ComputationError
from convscope.engine.models.graph import Graph, Step
from convscope.engine.models.layers import has_features
from convscope.engine.visualization.objective.objectives import (
    Direction,
    Diversity,
    Feature,
    Layer,
    Neuron,
    Objective,
    Term,
)

__all__ = ["check_objective", "feature_step", "without_features"]


def feature_step(graph: Graph, layer: str) -> Step:
    """Return the step of a layer with features.

    Raises:
        ComputationError: if there is none of this name.
    """
    having = {step.name: step for step in graph.steps if has_features(step.layer)}
    if layer not in having:
        raise without_features(layer, having)
    return having[layer]


def without_features(layer: str, having: Iterable[str]) -> ComputationError:
    """Return the error that a layer has no features, or does not exist; it names those that have."""
    return ComputationError(f"the model has no layer {layer!r} with features; those that have are {', '.join(having)}")


def check_objective(graph: Graph, objective: Objective) -> None:
    """Check an objective.

    Raises:
        ComputationError: if it needs something that the model lacks, or consists of diversity alone.
    """
    terms = [term for _, term in objective.summands]
    if all(isinstance(term, Diversity) for term in terms):
        raise ComputationError("an objective needs a term that is not diversity")
    for term in terms:
        _check_term(graph, term)


def _check_term(graph: Graph, term: Term) -> None:
    if isinstance(term, Layer):
        if term.layer not in graph.by_name:
            raise ComputationError(f"the model has no layer {term.layer!r}; it has {', '.join(graph.by_name)}")
        return
    shape = feature_step(graph, term.layer).shape
    if isinstance(term, Neuron | Diversity) and len(shape) != 3:
        raise ComputationError(f"layer {term.layer!r} is not a convolution, and a {type(term).__name__} term needs one")
    if isinstance(term, Direction) and len(term.vector) != shape[-1]:
        raise ComputationError(
            f"a direction in layer {term.layer!r} needs {shape[-1]} components, one for each feature, not "
            f"{len(term.vector)}"
        )
    if isinstance(term, Feature):
        _check_number(term.layer, "feature", term.feature, shape[-1])
    if isinstance(term, Neuron):
        for what, number, size in zip(
            ("row", "column", "feature"), (term.row, term.column, term.channel), shape, strict=True
        ):
            _check_number(term.layer, what, 0 if number is None else number, size)


def _check_number(layer: str, what: str, number: int, size: int) -> None:
    if not 0 <= number < size:
        raise ComputationError(f"layer {layer!r} has no {what} {number}; it has 0 to {size - 1}")
