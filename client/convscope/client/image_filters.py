"""Filters for the images of a visualization."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from convscope.client import checks
from convscope.client.enums import ImageFormat, to_wire
from convscope.client.errors import InvalidType
from convscope.client.selections import Features, feature_numbers
from convscope.v1 import feature_pb2, image_format_pb2, images_pb2

__all__ = ["Chosen", "format_number", "image_filter"]

# Images of all layers, of one, of several, or of some features of several.
Chosen: TypeAlias = str | Iterable[str] | Mapping[str, Features] | None


def image_filter(layers: Chosen, objectives: str | Iterable[str] = ()) -> images_pb2.ImageFilter:
    """Return the filter of these layers, features and objectives; an empty filter lets everything pass.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    names = [objectives] if isinstance(objectives, str) else objectives
    chosen = images_pb2.ImageFilter(objectives=[checks.text("objectives", name) for name in names])
    if layers is None:
        return chosen
    if isinstance(layers, Mapping):
        for layer, features in layers.items():
            name, numbers = checks.text("layers", layer), feature_numbers(f"layers[{layer!r}]", features)
            chosen.features.extend(feature_pb2.Feature(layer=name, index=number) for number in numbers)
            if not numbers:
                chosen.layers.append(name)
        return chosen
    if not isinstance(layers, Iterable):
        raise InvalidType(f"layers: {layers!r} is neither a name nor a list or mapping of names")
    chosen.layers.extend(checks.text("layers", name) for name in ([layers] if isinstance(layers, str) else layers))
    return chosen


def format_number(field: str, name: object) -> image_format_pb2.ImageFormat.ValueType:
    """Return the contract's number of the image format of this name.

    Raises:
        InvalidValue, InvalidType: There is no such format.
    """
    return to_wire(ImageFormat, image_format_pb2.ImageFormat.Value, field, name)
