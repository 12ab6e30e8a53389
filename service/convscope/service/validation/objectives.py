"""Checks of objectives: their names, and that each looks at something that can be maximized."""

import re
from collections.abc import Sequence

from convscope.planning import objective_name
from convscope.service.validation.checks import Checks
from convscope.service.validation.terms import check_term
from convscope.v1.models_pb2 import Layer
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_objectives"]

MAX_OBJECTIVES = 1_000
MAX_TERMS = 16

# How many restarts can be told to differ from each other.
LEAST_DIVERSE, MOST_DIVERSE = 2, 16

NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,64}")


def check_objectives(spec: VisualizeSpec, layers: Sequence[Layer], checks: Checks) -> None:
    """Check every objective, and fill in its defaults; the number of restarts is given."""
    if len(spec.objectives) > MAX_OBJECTIVES:
        checks.refuse("objectives", f"must be at most {MAX_OBJECTIVES:,}, not {len(spec.objectives):,}")
        return
    taken = {layer.name: "a layer's" for layer in layers}
    for index, objective in enumerate(spec.objectives):
        inside = checks.inside(f"objectives[{index}]")
        _check_name(objective, index, taken, inside)
        _check_terms(objective, layers, inside)
    _check_restarts(spec, checks)


def _check_name(objective: Objective, index: int, taken: dict[str, str], checks: Checks) -> None:
    objective.name = objective_name(index, objective.name)
    if objective.name in taken:
        checks.refuse("name", f"{objective.name!r} is {taken[objective.name]} name already; choose another")
    elif objective.name != objective_name(index, "") and not NAME.fullmatch(objective.name):
        allowed = "must be 1 to 64 of letters, digits, '_', '-' and '.', and not dots alone"
        checks.refuse("name", f"{allowed}, not {objective.name!r}")
    taken.setdefault(objective.name, f"objectives[{index}]'s")


def _check_terms(objective: Objective, layers: Sequence[Layer], checks: Checks) -> None:
    if not 1 <= len(objective.terms) <= MAX_TERMS:
        checks.refuse("terms", f"must be 1 to {MAX_TERMS}, not {len(objective.terms):,}")
    for number, term in enumerate(objective.terms[:MAX_TERMS]):
        check_term(term, layers, checks.inside(f"terms[{number}]"))
    if objective.terms and all(term.HasField("diversity") for term in objective.terms):
        checks.refuse("terms", "must have more than diversity, which by itself shows nothing of the model")


def _check_restarts(spec: VisualizeSpec, checks: Checks) -> None:
    diverse = (each for each in spec.objectives if any(term.HasField("diversity") for term in each.terms))
    first = next(diverse, None)
    if first is not None and not LEAST_DIVERSE <= spec.restarts <= MOST_DIVERSE:
        allowed = f"{LEAST_DIVERSE} to {MOST_DIVERSE} for an objective with diversity"
        checks.refuse("restarts", f"must be {allowed}, {first.name}, not {spec.restarts:,}")
