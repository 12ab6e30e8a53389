"""Checks of evaluation specs."""

from convscope.service.validation.checks import Checks
from convscope.v1.datasets_pb2 import Split
from convscope.v1.evaluate_pb2 import EvaluateSpec

__all__ = ["check_evaluate"]


def check_evaluate(spec: EvaluateSpec, checks: Checks) -> None:
    """Check all but the model, and fill in the defaults."""
    checks.choice(spec, "split", Split.DESCRIPTOR, default=Split.SPLIT_TEST)
    checks.number(spec, "batch_size", 1, 8192, default=256)
    checks.number(spec, "max_errors", 0, 1000, default=9)
