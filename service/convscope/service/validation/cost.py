"""Bounds the computation time of a visualization."""

from collections.abc import Sequence
from typing import Final

from convscope.planning import estimate_seconds
from convscope.service.validation.checks import Checks
from convscope.store import layer_shapes, visualization_request
from convscope.v1.models_pb2 import Layer
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_cost"]

# Units of time in messages, longest first, with their seconds.
UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


def check_cost(spec: VisualizeSpec, layers: Sequence[Layer], max_cost: float, checks: Checks) -> None:
    """Check that the estimated time of one worker is allowed.

    Args:
        spec: a valid spec with every default filled in.
        layers: the model's layers.
        max_cost: allowed seconds of one worker.
        checks: collects violations.
    """
    seconds = estimate_seconds(visualization_request(spec), layer_shapes(layers))
    if seconds > max_cost:
        field = "restarts" if spec.restarts > 1 else "iterations"
        times = f"about {_format_seconds(seconds)}, more than the {_format_seconds(max_cost)} that are allowed"
        advice = "choose fewer features, restarts or iterations"
        checks.refuse(field, f"would take one worker {times} (CONVSCOPE_MAX_COST); {advice}")


def _format_seconds(seconds: float) -> str:
    unit, length = next(((unit, length) for unit, length in UNITS if seconds >= 2 * length), UNITS[-1])
    return f"{seconds / length:,.3g} {unit}"
