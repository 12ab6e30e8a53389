"""Where in a network an objective looks."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Place", "Tap"]

# What a layer reads; its output before bias and activation (before the activation, where it is nothing else; what it
# gives, where it has neither); what it gives.
Place: TypeAlias = Literal["input", "linear", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A place in a layer, named `outer/inner` where models are nested."""

    layer: str
    place: Place = "linear"
