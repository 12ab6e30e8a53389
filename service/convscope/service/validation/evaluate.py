"""Checks of evaluation specs beyond the rules on their fields."""

from collections.abc import Sequence

from convscope.service.validation.checks import Checks
from convscope.service.validation.memory import check_activations
from convscope.v1.datasets_pb2 import Dataset
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.models_pb2 import Layer

__all__ = ["check_evaluate"]


def check_evaluate(spec: EvaluateSpec, dataset: Dataset, layers: Sequence[Layer], checks: Checks) -> None:
    """Check what depends on the model's dataset and layers."""
    if checks.right("split"):
        _check_split(spec.split, dataset, checks)
    check_activations(spec, layers, checks)


def _check_split(name: str, dataset: Dataset, checks: Checks) -> None:
    names = [split.name for split in dataset.splits]
    if name not in names:
        checks.refuse("split", f"must be a split of {dataset.name}: {', '.join(names)}; not {name!r}")
