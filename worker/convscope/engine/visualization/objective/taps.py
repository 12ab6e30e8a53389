"""Where in a network an objective looks."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Place", "Tap"]

# What a layer reads; its output before the activation, that of a convolution before the bias too (what it gives, if it
# has no activation); what it gives.
Place: TypeAlias = Literal["input", "linear", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A place in a layer, named `outer/inner` where models are nested."""

    layer: str
    place: Place = "linear"
