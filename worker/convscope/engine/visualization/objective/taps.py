"""Taps: the places of a network whose values an objective depends on."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Place", "Tap"]

# A layer's input; its output before the activation, and for convolutions before the bias (its input, if it only applies
# an activation); its output.
Place: TypeAlias = Literal["input", "linear", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A place in a layer, which is named ``outer/inner`` where models are nested."""

    layer: str
    place: Place = "linear"
