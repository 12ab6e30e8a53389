"""Conversion of the contract's objectives to those of the engine."""

from typing import assert_never

from convscope.engine.visualization.objective import objectives
from convscope.v1.objective_pb2 import Objective, Tap
from convscope.v1.objective_pb2 import Term as TermMessage

__all__ = ["objective"]


def objective(message: Objective) -> objectives.Objective:
    """Convert a message whose defaults are filled in; its name is left out."""
    weighted = tuple((term.weight if term.HasField("weight") else 1.0, _term(term)) for term in message.terms)
    return objectives.Sum(weighted)


def _term(message: TermMessage) -> objectives.Term:
    post = message.tap == Tap.TAP_POST_ACTIVATION
    match message.WhichOneof("what"):
        case "feature":
            return objectives.Feature(message.feature.layer, message.feature.index, post=post)
        case "neuron":
            neuron = message.neuron
            row = neuron.row if neuron.HasField("row") else None
            column = neuron.column if neuron.HasField("column") else None
            return objectives.Neuron(neuron.feature.layer, neuron.feature.index, row, column, post=post)
        case "layer":
            return objectives.Layer(message.layer.layer, post=post)
        case "direction":
            return objectives.Direction(message.direction.layer, tuple(message.direction.vector), post=post)
        case "diversity":
            return objectives.Diversity(message.diversity.layer)
        case None:
            raise ValueError("a term of the objective has nothing to maximize")
        case other:
            assert_never(other)
