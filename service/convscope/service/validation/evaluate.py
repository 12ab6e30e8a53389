"""Checks of evaluation specs beyond the rules on their fields."""

from collections.abc import Sequence

from convscope.service.validation.checks import Checks
from convscope.service.validation.memory import check_activations
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.models_pb2 import Layer

__all__ = ["check_evaluate"]


def check_evaluate(spec: EvaluateSpec, layers: Sequence[Layer], checks: Checks) -> None:
    """Check what depends on the model, whose layers are given."""
    check_activations(spec, layers, checks)
