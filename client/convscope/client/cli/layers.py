"""Layers and features as they are written on the command line."""

import re
from collections.abc import Sequence
from itertools import groupby

from convscope.client.errors import InvalidValue
from convscope.client.network import Convolution, Dense
from convscope.client.selections import Features

__all__ = ["features_text", "parse_convolutions", "parse_dense", "parse_features", "parse_layer", "parse_layers"]

_CONVOLUTION = re.compile(r"(?P<filters>\d+)(@(?P<kernel>\d+))?(:(?P<activation>\w+))?(/(?P<pool>\d+))?")
_DENSE = re.compile(r"(?P<units>\d+)(:(?P<activation>\w+))?")
_NUMBERS = re.compile(r"(?P<first>\d+)(-(?P<last>\d+))?")


def parse_convolutions(text: str | None) -> list[Convolution] | None:
    """Return the convolutions of ``16@5:relu/2,36``; ``none`` is an empty list."""
    if text is None:
        return None
    return [_convolution(item) for item in _items(text)]


def parse_dense(text: str | None) -> list[Dense] | None:
    """Return the hidden layers of ``128:relu,64``; ``none`` is an empty list."""
    if text is None:
        return None
    layers = [_matched(_DENSE, "dense", item, "UNITS[:ACTIVATION]") for item in _items(text)]
    return [Dense(units=int(layer["units"] or 0), activation=layer["activation"]) for layer in layers]


def parse_layers(texts: list[str]) -> dict[str | int, Features] | None:
    """Return the choice of ``conv1``, ``logits:2``, ``0:0-7,9``: a layer's name, or its index among the convolutions.

    A layer that is repeated has the features of both.
    """
    chosen: dict[str | int, range | list[int] | None] = {}
    for text in texts:
        name, features = parse_layer(text)
        layer = int(name) if name.isdecimal() else name
        chosen[layer] = _union(chosen[layer], features) if layer in chosen else features
    return dict(chosen) or None


def parse_layer(text: str) -> tuple[str, range | list[int] | None]:
    """Return the layer of ``conv1`` or ``conv1:0-7,9``, and its features, None for all."""
    layer, colon, features = text.partition(":")
    if not layer or (colon and not features):
        raise InvalidValue(f"layers: {text!r} is not of the form LAYER or LAYER:FEATURES")
    return layer, parse_features(features) if colon else None


def parse_features(text: str) -> range | list[int]:
    """Return the features of ``0-7,9``: a range where it is a single one, else a list."""
    ranges = [_range(item.strip()) for item in text.split(",")]
    return ranges[0] if len(ranges) == 1 else [number for numbers in ranges for number in numbers]


def features_text(features: Sequence[int]) -> str:
    """Return rising features as they are written: ``0-7,9``."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(features), lambda item: item[1] - item[0])]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _union(some: range | list[int] | None, others: range | list[int] | None) -> list[int] | None:
    return None if some is None or others is None else [*some, *others]


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
        kernel_size=_number(layer["kernel"]),
        activation=layer["activation"],
        pool_size=_number(layer["pool"]),
    )


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _range(item: str) -> range:
    bounds = _matched(_NUMBERS, "layers", item, "FIRST or FIRST-LAST")
    first = int(bounds["first"] or 0)
    numbers = range(first, int(bounds["last"] or first) + 1)
    if not numbers:
        raise InvalidValue(f"layers: {item!r} counts backwards")
    return numbers
