"""Floating-point operations of layers and ascents, counted from shapes alone."""

from collections.abc import Sequence
from math import prod

from convscope.planning.requests import LayerShape

__all__ = ["ascent_flops", "layer_flops"]


def ascent_flops(layers: Sequence[LayerShape], iterations: int) -> float:
    """Return the operations of one ascent through layers: forward, and the gradient by the image, at every iteration.

    Args:
        layers: the model's layers from the first to the deepest that the ascent goes through.
        iterations: updates of the image; the final image is evaluated as well.
    """
    return 2.0 * (iterations + 1) * sum(layer_flops(layer) for layer in layers)


def layer_flops(layer: LayerShape) -> float:
    """Return the operations of a layer for one image: each weight is multiplied and added at each position."""
    return 2.0 * layer.parameter_count * prod(layer.output_shape[:-1])
