"""Finds the layers of a model that a request names."""

from collections.abc import Sequence

from convscope.service.validation.checks import Checks
from convscope.v1.models_pb2 import Layer, LayerKind

__all__ = ["find_convolution", "find_layer", "visible_layers"]


def visible_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers that have features."""
    return [layer for layer in layers if layer.feature_count]


def find_layer(name: str, layers: Sequence[Layer], checks: Checks, *, field: str) -> Layer | None:
    """Return the layer with this name, if it has features; else refuse the field, unless it is refused already."""
    if not checks.right(field):
        return None
    visible = visible_layers(layers)
    for layer in visible:
        if layer.name == name:
            return layer
    names = ", ".join(layer.name for layer in visible)
    if any(layer.name == name for layer in layers):
        checks.refuse(field, f"{name!r} has no features; layers with features: {names}")
    else:
        checks.refuse(field, f"{name!r} is not a layer of the model; allowed: {names}")
    return None


def find_convolution(name: str, layers: Sequence[Layer], checks: Checks, *, field: str) -> Layer | None:
    """Return the convolution with this name; else refuse the field, unless it is refused already."""
    layer = find_layer(name, layers, checks, field=field)
    if layer is None or layer.kind == LayerKind.LAYER_KIND_CONVOLUTION:
        return layer
    convolutions = [other.name for other in layers if other.kind == LayerKind.LAYER_KIND_CONVOLUTION]
    checks.refuse(field, f"{name!r} is not a convolution; allowed: {', '.join(convolutions) or 'none'}")
    return None
