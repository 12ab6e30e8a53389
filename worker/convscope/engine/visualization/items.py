"""What is computed: one ascent of a feature from one of its starts."""

from dataclasses import dataclass

__all__ = ["ItemKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKey:
    """Names an ascent; all its randomness is a function of this name.

    `layer` is the layer's name or the objective's; `seed` is 0 to 2**64 - 1, the others count from 0.
    """

    seed: int
    layer: str
    feature: int
    restart: int = 0
