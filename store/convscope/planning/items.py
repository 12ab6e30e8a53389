"""The address of an image, the same in plan, store and engine."""

from dataclasses import dataclass

__all__ = ["Item"]


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """The subject of an image: a feature of a target, from one of its starts.

    Attributes:
        target: name of the layer or of the objective; unique in a visualization.
        feature: number in the layer, from 0; 0 for an objective.
        restart: which start, from 0.
    """

    target: str
    feature: int
    restart: int = 0
