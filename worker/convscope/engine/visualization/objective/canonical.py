"""Canonical forms of objectives, so that equal objectives have equal randomness, however they are written."""

from dataclasses import replace

import numpy as np

from convscope.engine.models.graph import Graph
from convscope.engine.visualization.objective.objectives import Direction, Feature, Neuron, Objective, Sum, Term

__all__ = ["canonical"]


def canonical(graph: Graph, objective: Objective) -> Sum:
    """Return a valid objective with every default filled in and every number a Python number."""
    return Sum(tuple((float(weight), _term(graph, term)) for weight, term in objective.summands))


def _term(graph: Graph, term: Term) -> Term:
    if isinstance(term, Feature):
        return replace(term, feature=int(term.feature))
    if isinstance(term, Neuron):
        height, width, _ = graph.by_name[term.layer].shape
        row = height // 2 if term.row is None else term.row
        column = width // 2 if term.column is None else term.column
        return replace(term, channel=int(term.channel), row=int(row), column=int(column))
    if isinstance(term, Direction):
        return replace(term, vector=tuple(map(float, np.asarray(term.vector, np.float32))))
    return term
