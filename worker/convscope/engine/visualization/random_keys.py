"""Keys of the randomness of ascents."""

from dataclasses import dataclass

__all__ = ["RandomKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomKey:
    """All randomness of an ascent is a function of this key; equal ascents have equal keys.

    Attributes:
        seed: 0 to 2**64 - 1.
        target: the layer's name, or the canonical form of the objective, whatever its name.
        feature: from 0.
        restart: from 0.
    """

    seed: int
    target: str
    feature: int
    restart: int = 0
