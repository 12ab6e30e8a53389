"""Checks of training specs beyond the rules on their fields."""

from collections.abc import Sequence

from convscope.service.architecture import ShrunkToNothingError, describe_network
from convscope.service.validation.checks import Checks
from convscope.service.validation.memory import check_activations
from convscope.v1.datasets_pb2 import Dataset
from convscope.v1.models_pb2 import Layer
from convscope.v1.rules import fill_defaults
from convscope.v1.train_pb2 import Convolution, Dense, Network, TrainSpec

__all__ = ["check_network", "check_train"]

# Reports of a run: its history is stored in one piece of at most a few hundred kilobytes.
MAX_REPORTS = 10_000

# Validations of a run: one costs about as much as fifty steps.
MAX_VALIDATIONS = 1_000

# Parameters of a network: weights, gradients and two moments of this many take 3.2 GB.
MAX_PARAMETERS = 200_000_000


def check_train(spec: TrainSpec, dataset: Dataset, checks: Checks) -> None:
    """Check everything except the network."""
    examples = next(split.example_count for split in dataset.splits if split.name == "train")
    checks.within(spec, "batch_size", 1, examples)
    _check_interval(spec, "report_interval", MAX_REPORTS, checks)
    _check_interval(spec, "validation_interval", MAX_VALIDATIONS, checks)


def check_network(spec: TrainSpec, dataset: Dataset, checks: Checks) -> Sequence[Layer]:
    """Check the network, or fill in the tutorial's, and return its layers; empty if it cannot be built."""
    if not spec.HasField("network"):
        spec.network.CopyFrom(_tutorial())
        fill_defaults(spec.network)
    if not checks.right("network"):
        return ()
    try:
        layers = describe_network(spec.network, dataset.image_shape, len(dataset.classes))
    except ShrunkToNothingError as error:
        checks.refuse(f"network.convolutions[{error.index}].pool_size", str(error))
        return ()
    _check_size(spec, layers, checks)
    return layers


def _tutorial() -> Network:
    return Network(convolutions=[Convolution(filters=16), Convolution(filters=36)], dense=[Dense(units=128)])


def _check_interval(spec: TrainSpec, field: str, most: int, checks: Checks) -> None:
    interval = getattr(spec, field)
    if checks.right("iterations", field) and interval and spec.iterations // interval > most:
        least = -(-spec.iterations // most)
        checks.refuse(field, f"must be at least {least:,} for {spec.iterations:,} iterations, not {interval:,}")


def _check_size(spec: TrainSpec, layers: Sequence[Layer], checks: Checks) -> None:
    parameters = sum(layer.parameter_count for layer in layers)
    if parameters > MAX_PARAMETERS:
        checks.refuse("network", f"must have at most {MAX_PARAMETERS:,} parameters, not {parameters:,}")
    check_activations(spec, layers, checks)
