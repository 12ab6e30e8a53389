"""Checks of training specs."""

from collections.abc import Sequence

from convscope.service.architecture import ShrunkToNothingError, describe_network
from convscope.service.validation.checks import Checks
from convscope.service.validation.memory import check_activations
from convscope.v1.datasets_pb2 import Dataset, Split
from convscope.v1.models_pb2 import Layer
from convscope.v1.train_pb2 import Activation, Convolution, Dense, Network, Precision, TrainSpec

__all__ = ["check_network", "check_train"]

MAX_ITERATIONS = 10_000_000
MAX_INTERVAL = 1_000_000
MAX_BATCH = 8192

# A run's history is kept in one piece of at most a few hundred kilobytes.
MAX_REPORTS = 10_000

# Each pass over the validation split costs about as much as fifty steps.
MAX_VALIDATIONS = 1_000

# Layers of each kind.
MAX_LAYERS = 64

# Weights, gradients and two moments of this many parameters take 3.2 GB.
MAX_PARAMETERS = 200_000_000


def check_train(spec: TrainSpec, dataset: Dataset, checks: Checks) -> None:
    """Check all but the network, and fill in the defaults."""
    _learning_rate(spec, checks)
    checks.choice(spec, "precision", Precision.DESCRIPTOR, default=Precision.PRECISION_FLOAT32)
    examples = next(split.examples for split in dataset.splits if split.split == Split.SPLIT_TRAIN)
    checks.number(spec, "batch_size", 1, min(MAX_BATCH, examples), default=64)
    checks.number(spec, "iterations", 0, MAX_ITERATIONS, default=10_000)
    checks.number(spec, "report_interval", 1, MAX_INTERVAL, default=100)
    checks.number(spec, "validation_interval", 0, MAX_INTERVAL, default=0)
    _often(spec, "report_interval", MAX_REPORTS, checks)
    _often(spec, "validation_interval", MAX_VALIDATIONS, checks)


def check_network(spec: TrainSpec, dataset: Dataset, checks: Checks) -> Sequence[Layer]:
    """Check the network, fill in its defaults and return its layers; empty if it cannot be built."""
    if not spec.HasField("network"):
        spec.network.CopyFrom(_tutorial())
    inside = checks.inside("network")
    before = checks.count
    _check_convolutions(spec.network, inside)
    _check_dense(spec.network, inside)
    if checks.count > before:
        return ()
    try:
        layers = describe_network(spec.network, dataset.image_shape, len(dataset.classes))
    except ShrunkToNothingError as error:
        inside.refuse(f"convolutions[{error.index}].pool_size", str(error))
        return ()
    _check_size(spec, layers, checks)
    return layers


def _tutorial() -> Network:
    return Network(convolutions=[Convolution(filters=16), Convolution(filters=36)], dense=[Dense(units=128)])


def _learning_rate(spec: TrainSpec, checks: Checks) -> None:
    if not spec.adam.HasField("learning_rate"):
        spec.adam.learning_rate = 1e-4
    rate = spec.adam.learning_rate
    if not 0 < rate <= 1:  # NaN compares as false
        checks.refuse("adam.learning_rate", f"must be greater than 0 and at most 1, not {rate}")


def _often(spec: TrainSpec, field: str, most: int, checks: Checks) -> None:
    interval = getattr(spec, field)
    if interval > 0 and 0 < spec.iterations <= MAX_ITERATIONS and spec.iterations // interval > most:
        least = -(-spec.iterations // most)
        checks.refuse(field, f"must be at least {least:,} for {spec.iterations:,} iterations, not {interval:,}")


def _check_convolutions(network: Network, checks: Checks) -> None:
    if len(network.convolutions) > MAX_LAYERS:
        checks.refuse("convolutions", f"must be at most {MAX_LAYERS}, not {len(network.convolutions)}")
    for index, convolution in enumerate(network.convolutions[:MAX_LAYERS]):
        each = checks.inside(f"convolutions[{index}]")
        each.number(convolution, "filters", 1, 4096)
        each.number(convolution, "kernel_size", 1, 64, default=5)
        each.number(convolution, "pool_size", 1, 64, default=2)
        each.choice(convolution, "activation", Activation.DESCRIPTOR, default=Activation.ACTIVATION_RELU)


def _check_dense(network: Network, checks: Checks) -> None:
    if len(network.dense) > MAX_LAYERS:
        checks.refuse("dense", f"must be at most {MAX_LAYERS}, not {len(network.dense)}")
    for index, dense in enumerate(network.dense[:MAX_LAYERS]):
        each = checks.inside(f"dense[{index}]")
        each.number(dense, "units", 1, 65_536)
        each.choice(dense, "activation", Activation.DESCRIPTOR, default=Activation.ACTIVATION_RELU)


def _check_size(spec: TrainSpec, layers: Sequence[Layer], checks: Checks) -> None:
    parameters = sum(layer.parameters for layer in layers)
    if parameters > MAX_PARAMETERS:
        checks.refuse("network", f"must have at most {MAX_PARAMETERS:,} parameters, not {parameters:,}")
    check_activations(spec, layers, checks)
