"""The layers of a network to train."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from convscope.client import checks
from convscope.client.enums import Activation, to_wire
from convscope.client.errors import InvalidType, InvalidValue
from convscope.v1 import train_pb2

__all__ = ["Convolution", "Dense"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution (stride 1, padded to keep the size), its bias and activation, then a max-pooling.

    Attributes:
        filters: Number of filters, 1 to 4096.
        kernel_size: Height and width of each filter in pixels, 1 to 64. Default 5.
        activation: ``relu``, ``elu``, ``tanh``, ``sigmoid`` or ``linear``. Default ``relu``.
        pool_size: Side and stride of the max-pooling in pixels, 1 to 64; 1 means no pooling. Default 2.
    """

    filters: int
    kernel_size: int | None = None
    activation: str | None = None
    pool_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A hidden fully connected layer with bias.

    Attributes:
        units: Number of units, 1 to 65536.
        activation: ``relu``, ``elu``, ``tanh``, ``sigmoid`` or ``linear``. Default ``relu``.
    """

    units: int
    activation: str | None = None


# The tutorial's network.
_CONVOLUTIONS = (Convolution(filters=16), Convolution(filters=36))
_DENSE = (Dense(units=128),)

_L = TypeVar("_L", Convolution, Dense)


def network_message(
    convolutions: Iterable[int | Convolution | Mapping[str, Any]] | None,
    dense: Iterable[int | Dense | Mapping[str, Any]] | None,
) -> train_pb2.Network | None:
    """Return the message of a network, or None where neither is given; the one left out is the tutorial's."""
    if convolutions is None and dense is None:
        return None
    convs = _CONVOLUTIONS if convolutions is None else _layers(Convolution, "filters", "convolutions", convolutions)
    hidden = _DENSE if dense is None else _layers(Dense, "units", "dense", dense)
    return train_pb2.Network(
        convolutions=[_convolution(f"convolutions[{i}]", layer) for i, layer in enumerate(convs)],
        dense=[_dense(f"dense[{i}]", layer) for i, layer in enumerate(hidden)],
    )


def _layers(kind: type[_L], width: str, field: str, layers: Iterable[object]) -> tuple[_L, ...]:
    if isinstance(layers, str | bytes | Mapping) or not isinstance(layers, Iterable):
        raise InvalidType(f"{field}: {layers!r} is not a list of layers")
    return tuple(_layer(kind, width, f"{field}[{i}]", layer) for i, layer in enumerate(layers))


def _layer(kind: type[_L], width: str, field: str, layer: object) -> _L:
    if isinstance(layer, kind):
        return layer
    if not isinstance(layer, Mapping):
        layer = {width: checks.int32(f"{field}.{width}", layer)}
    allowed = kind.__dataclass_fields__
    for name in layer:
        if name not in allowed:
            raise InvalidValue(f"{field}: unknown {name!r}; allowed are {', '.join(allowed)}")
    if width not in layer:
        raise InvalidValue(f"{field}: {width} is missing")
    return kind(**layer)


def _convolution(field: str, layer: Convolution) -> train_pb2.Convolution:
    return train_pb2.Convolution(
        filters=checks.int32(f"{field}.filters", layer.filters),
        kernel_size=_size(f"{field}.kernel_size", layer.kernel_size),
        activation=_activation(field, layer.activation),
        pool_size=_size(f"{field}.pool_size", layer.pool_size),
    )


def _dense(field: str, layer: Dense) -> train_pb2.Dense:
    return train_pb2.Dense(
        units=checks.int32(f"{field}.units", layer.units), activation=_activation(field, layer.activation)
    )


def _size(field: str, value: object) -> int | None:
    return None if value is None else checks.int32(field, value)


def _activation(field: str, name: str | None) -> "train_pb2.Activation.ValueType":
    if name is None:
        return train_pb2.ACTIVATION_UNSPECIFIED
    return to_wire(Activation, train_pb2.Activation.Value, f"{field}.activation", name)
