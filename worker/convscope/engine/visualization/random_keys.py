"""What names the randomness of an ascent."""

from dataclasses import dataclass

__all__ = ["RandomKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomKey:
    """All randomness of an ascent is a function of this key; ascents that are the same have the same.

    Attributes:
        seed: 0 to 2**64 - 1.
        target: the layer's name, or what the objective is, whatever that is listed under.
        feature: from 0.
        restart: from 0.
    """

    seed: int
    target: str
    feature: int
    restart: int = 0
