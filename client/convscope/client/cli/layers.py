"""Layers and features as they are written on the command line."""

import re

from convscope.client.errors import InvalidValue
from convscope.client.network import Convolution, Dense
from convscope.client.selections import Features

__all__ = ["parse_convolutions", "parse_dense", "parse_features", "parse_layers"]

_CONVOLUTION = re.compile(r"(?P<filters>\d+)(@(?P<kernel>\d+))?(:(?P<activation>\w+))?(/(?P<pool>\d+))?")
_DENSE = re.compile(r"(?P<units>\d+)(:(?P<activation>\w+))?")
_NUMBERS = re.compile(r"(?P<first>\d+)(-(?P<last>\d+))?")


def parse_convolutions(text: str | None) -> list[Convolution] | None:
    """The convolutions of `16@5:relu/2,36`; `none` is an empty list."""
    if text is None:
        return None
    return [_convolution(item) for item in _items(text)]


def parse_dense(text: str | None) -> list[Dense] | None:
    """The hidden layers of `128:relu,64`; `none` is an empty list."""
    if text is None:
        return None
    found = [_matched(_DENSE, "dense", item, "UNITS[:ACTIVATION]") for item in _items(text)]
    return [Dense(units=int(layer["units"] or 0), activation=layer["activation"] or "relu") for layer in found]


def parse_layers(texts: list[str]) -> dict[str | int, Features] | None:
    """The choice of `conv1`, `logits:2`, `0:0-7,9`: a layer's name, or its index among the convolutions."""
    chosen: dict[str | int, Features] = {}
    for text in texts:
        layer, _, features = text.partition(":")
        if not layer:
            raise InvalidValue(f"layers: {text!r} names no layer")
        chosen[int(layer) if layer.isdecimal() else layer] = parse_features(features) if features else None
    return chosen or None


def parse_features(text: str) -> range | list[int]:
    """The features of `0-7,9`: a range where it is a single one, else a list."""
    ranges = [_range(item.strip()) for item in text.split(",")]
    return ranges[0] if len(ranges) == 1 else [number for numbers in ranges for number in numbers]


def _items(text: str) -> list[str]:
    return [] if text.strip().lower() == "none" else [item.strip() for item in text.split(",")]


def _matched(pattern: re.Pattern[str], field: str, item: str, form: str) -> dict[str, str | None]:
    match = pattern.fullmatch(item)
    if not match:
        raise InvalidValue(f"{field}: {item!r} is not of the form {form}")
    return match.groupdict()


def _convolution(item: str) -> Convolution:
    layer = _matched(_CONVOLUTION, "convolutions", item, "FILTERS[@KERNEL][:ACTIVATION][/POOL]")
    return Convolution(
        filters=int(layer["filters"] or 0),
        kernel_size=int(layer["kernel"] or 5),
        activation=layer["activation"] or "relu",
        pool_size=int(layer["pool"] or 2),
    )


def _range(item: str) -> range:
    found = _matched(_NUMBERS, "layers", item, "FIRST or FIRST-LAST")
    first = int(found["first"] or 0)
    numbers = range(first, int(found["last"] or first) + 1)
    if not numbers:
        raise InvalidValue(f"layers: {item!r} counts backwards")
    return numbers
