"""Checks of evaluation specs."""

from collections.abc import Sequence

from convscope.service.validation.checks import Checks
from convscope.service.validation.memory import check_activations
from convscope.v1.datasets_pb2 import Dataset
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.models_pb2 import Layer

__all__ = ["check_evaluate"]


def check_evaluate(spec: EvaluateSpec, dataset: Dataset, layers: Sequence[Layer], checks: Checks) -> None:
    """Check all but the model, whose dataset and layers are given, and fill in the defaults."""
    spec.split = spec.split or "test"
    _check_split(spec.split, dataset, checks)
    checks.number(spec, "batch_size", 1, 8192, default=256)
    checks.number(spec, "max_errors", 0, 1000, default=9)
    check_activations(spec, layers, checks)


def _check_split(name: str, dataset: Dataset, checks: Checks) -> None:
    names = [split.name for split in dataset.splits]
    if name not in names:
        checks.refuse("split", f"must be a split of {dataset.name}: {', '.join(names)}; not {name!r}")
