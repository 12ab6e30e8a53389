"""What a visualization may cost."""

from collections.abc import Sequence
from typing import Final

from convscope.planning import estimate_seconds
from convscope.service.validation.checks import Checks
from convscope.store import layer_shapes, visualization_request
from convscope.v1.models_pb2 import Layer
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_cost"]

# Units in which a time is told, longest first, with their seconds.
UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


def check_cost(spec: VisualizeSpec, layers: Sequence[Layer], max_cost: float, checks: Checks) -> None:
    """Check that one worker would be done in time, by estimate.

    Args:
        spec: correct, and every default filled in.
        layers: those of the model.
        max_cost: seconds of one worker.
        checks: collects what is wrong.
    """
    seconds = estimate_seconds(visualization_request(spec), layer_shapes(layers))
    if seconds > max_cost:
        field = "restarts" if spec.restarts > 1 else "iterations"
        told = f"would take one worker about {_spelled(seconds)}, more than the {_spelled(max_cost)} that are allowed"
        checks.refuse(field, f"{told} (CONVSCOPE_MAX_COST); choose fewer features, restarts or iterations")


def _spelled(seconds: float) -> str:
    unit, length = next(((unit, length) for unit, length in UNITS if seconds >= 2 * length), UNITS[-1])
    return f"{seconds / length:,.3g} {unit}"
