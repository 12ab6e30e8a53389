"""How images are optimized. What is left out is the preset's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from convscope.client import checks
from convscope.client.errors import InvalidType, InvalidValue
from convscope.v1 import render_pb2

__all__ = [
    "AdamStep",
    "Fourier",
    "NormalizedStep",
    "Pixels",
    "Regularizers",
    "Render",
    "RenderLike",
    "Transforms",
    "render_message",
    "setting_names",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """The image itself is optimized, clipped to [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fourier:
    """Coefficients of a Fourier series are optimized, through a sigmoid to [0, 1].

    Attributes:
        decay: Amplitudes fall off with the frequency to this power, 0 to 4. Default 1.
        deviation: Standard deviation of the starting coefficients, above 0 to 10. Default 0.01.
    """

    decay: float | None = None
    deviation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transforms:
    """Random transforms, drawn again for each image at each iteration; 0 for none.

    Attributes:
        pad: Grey border on each side, as a share of the image's shorter side, 0 to 0.5.
        jitter: Largest shift, as a share of the image's shorter side, 0 to 0.5.
        scale: Largest change of size, 0 to 0.9: 0.1 scales by 0.9 to 1.1.
        rotate: Largest turn in degrees, 0 to 180.
        noise: Standard deviation of the noise added to each pixel, 0 to 1.
    """

    pad: float | None = None
    jitter: float | None = None
    scale: float | None = None
    rotate: float | None = None
    noise: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regularizers:
    """Terms that are subtracted from the objective during the ascent, each a weight, 0 to 1e6; 0 for none.

    Attributes:
        l1: Mean of the absolute distance of the pixels from grey.
        l2: Mean of the squared distance of the pixels from grey.
        total_variation: Mean absolute difference of neighbouring pixels.
        blur: Mean squared difference of the image from itself blurred.
    """

    l1: float | None = None
    l2: float | None = None
    total_variation: float | None = None
    blur: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedStep:
    """The tutorial's step, the gradient over its standard deviation; only with pixels.

    Attributes:
        size: Length of the step, above 0 to 1,000. Default 1.
        decay: Each step is this times the one before, above 0 to 1. Default 1.
    """

    size: float | None = None
    decay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamStep:
    """Adam.

    Attributes:
        learning_rate: Above 0 to 1,000. Default 0.05.
    """

    learning_rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """Settings that differ from the preset's.

    Attributes:
        parameterization: What is optimized.
        decorrelate: Whether the channels of a colour image are optimized decorrelated; only with ``Fourier``.
        transforms: Random transforms; what is left out of them is the preset's.
        regularizers: Penalties; what is left out of them is the preset's.
        optimizer: How each step follows from the gradient.
        rescue: Where a start has no gradient, gradients go through inactive ReLUs for this many iterations, 0 to 1,000.
    """

    parameterization: Pixels | Fourier | None = None
    decorrelate: bool | None = None
    transforms: Transforms | None = None
    regularizers: Regularizers | None = None
    optimizer: NormalizedStep | AdamStep | None = None
    rescue: int | None = None


# Settings as values, or by their names in the contract: {"transforms.jitter": 0.1, "fourier": None, "rescue": 16}.
RenderLike: TypeAlias = Render | Mapping[str, float | bool | None] | None

# Fields of the contract that hold one of several kinds of value.
_CHOICES = {Pixels: "pixels", Fourier: "fourier", NormalizedStep: "normalized", AdamStep: "adam"}


def render_message(settings: RenderLike) -> render_pb2.Render | None:
    """Return the message of settings; None where there are none.

    Raises:
        InvalidValue: An unknown setting, or settings of two kinds where there can be one.
        InvalidType: A value of another type.
    """
    if settings is None:
        return None
    if isinstance(settings, Render):
        settings = dict(_flat(settings))
    if not isinstance(settings, Mapping):
        raise InvalidType(f"render: {settings!r} is neither a Render nor a mapping of settings")
    message = render_pb2.Render()
    for name, value in settings.items():
        _set(message, checks.text("render", name), value)
    return message


def setting_names() -> list[str]:
    """Return the names of all settings, as ``transforms.jitter``."""
    return list(_names(render_pb2.Render.DESCRIPTOR, ""))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, float | bool | None]]:
    """Yield a value's settings by their names; those that are None are left out."""
    for field in fields(value):
        setting = getattr(value, field.name)
        name = f"{path}.{field.name}" if path else _CHOICES.get(type(setting), field.name)
        if hasattr(setting, "__dataclass_fields__"):
            yield name, None
            yield from _flat(setting, name)
        elif setting is not None:
            yield name, setting


def _names(kind: Descriptor, path: str) -> Iterator[str]:
    for field in kind.fields:
        inside = field.message_type
        if inside is None or not inside.fields:
            yield path + field.name
        else:
            yield from _names(inside, f"{path}{field.name}.")


def _set(render: render_pb2.Render, path: str, value: object) -> None:
    *parents, last = path.split(".")
    message: Message = render
    for name in parents:
        message = _enter(message, name, path)
    field = message.DESCRIPTOR.fields_by_name.get(last)
    if field is None:
        raise InvalidValue(f"render: unknown {path!r}; allowed are {', '.join(setting_names())}")
    if field.message_type is None:
        setattr(message, last, _value(f"render.{path}", field, value))
    elif value is not None and value is not True:
        raise InvalidType(f"render.{path}: {value!r} is not a value of it; it has settings of its own")
    else:
        _enter(message, last, path).SetInParent()


def _enter(message: Message, name: str, path: str) -> Message:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None or field.message_type is None:
        raise InvalidValue(f"render: unknown {path!r}; allowed are {', '.join(setting_names())}")
    choice = field.containing_oneof
    other = message.WhichOneof(choice.name) if choice else name
    if other not in {None, name}:
        raise InvalidValue(f"render: {other} and {name} exclude each other; choose one")
    part: Message = getattr(message, name)
    return part


def _value(path: str, field: Any, value: object) -> float | bool:
    if value is None:
        raise InvalidType(f"{path}: a value is missing")
    if field.type == FieldDescriptor.TYPE_BOOL:
        if not isinstance(value, bool):
            raise InvalidType(f"{path}: {value!r} is neither True nor False")
        return value
    return checks.int32(path, value) if field.type == FieldDescriptor.TYPE_INT32 else checks.real(path, value)
