"""Checks of objectives beyond the rules: free names, and terms that the model can maximize."""

from collections.abc import Sequence

from convscope.planning import objective_name
from convscope.service.validation.checks import Checks
from convscope.service.validation.terms import check_term
from convscope.v1.models_pb2 import Layer
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_objectives"]

# How many restarts a diversity term can drive apart.
LEAST_DIVERSE, MOST_DIVERSE = 2, 16


def check_objectives(spec: VisualizeSpec, layers: Sequence[Layer], checks: Checks) -> None:
    """Check every objective, and fill in default names, taps and neuron positions."""
    if checks.refused("objectives"):
        return
    taken = {layer.name: "a layer's" for layer in layers}
    for index, objective in enumerate(spec.objectives):
        inside = checks.inside(f"objectives[{index}]")
        _check_name(objective, index, taken, inside)
        _check_terms(objective, layers, inside)
    _check_restarts(spec, checks)


def _check_name(objective: Objective, index: int, taken: dict[str, str], checks: Checks) -> None:
    objective.name = objective_name(index, objective.name)
    if not checks.right("name"):
        return
    if objective.name in taken:
        checks.refuse("name", f"{objective.name!r} is {taken[objective.name]} name already; choose another")
    elif "[" in objective.name and objective.name != objective_name(index, ""):
        checks.refuse("name", f"{objective.name!r} is the default name of another objective; choose another")
    taken.setdefault(objective.name, f"objectives[{index}]'s")


def _check_terms(objective: Objective, layers: Sequence[Layer], checks: Checks) -> None:
    if checks.refused("terms"):
        return
    for number, term in enumerate(objective.terms):
        check_term(term, layers, checks.inside(f"terms[{number}]"))
    if all(term.HasField("diversity") for term in objective.terms):
        checks.refuse("terms", "must have more than diversity, which by itself shows nothing of the model")


def _check_restarts(spec: VisualizeSpec, checks: Checks) -> None:
    diverse = (
        objective for objective in spec.objectives if any(term.HasField("diversity") for term in objective.terms)
    )
    first = next(diverse, None)
    if first is not None and checks.right("restarts") and not LEAST_DIVERSE <= spec.restarts <= MOST_DIVERSE:
        allowed = f"{LEAST_DIVERSE} to {MOST_DIVERSE} for an objective with diversity"
        checks.refuse("restarts", f"must be {allowed}, {first.name}, not {spec.restarts:,}")
