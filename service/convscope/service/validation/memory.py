"""Bounds the memory of a batch."""

from collections.abc import Sequence
from math import prod
from typing import Final

from convscope.service.validation.checks import Checks
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.models_pb2 import Layer
from convscope.v1.train_pb2 import TrainSpec

__all__ = ["FLOAT_BYTES", "check_activations"]

# Bytes of the activations of one batch, which training keeps until it has computed the gradients.
MAX_ACTIVATION_BYTES = 8 * 2**30

# Bytes of a float32: of an activation, a weight, a moment or a pixel.
FLOAT_BYTES: Final = 4


def check_activations(spec: TrainSpec | EvaluateSpec, layers: Sequence[Layer], checks: Checks) -> None:
    """Check that the activations of a batch fit in memory, if ``batch_size`` has no violation so far."""
    image_bytes = FLOAT_BYTES * sum(prod(layer.output_shape) for layer in layers)
    if checks.right("batch_size") and image_bytes * spec.batch_size > MAX_ACTIVATION_BYTES:
        most = MAX_ACTIVATION_BYTES // image_bytes
        checks.refuse(
            "batch_size", f"must be at most {most:,} for this network, or its activations do not fit in memory"
        )
