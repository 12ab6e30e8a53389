"""What is measured: figures with their targets, in families that are measured together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.rounds import Round

__all__ = ["Family", "Figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number and what it should be.

    Attributes:
        name: on the command line and in the JSON.
        what: for people.
        target: the bound, in ``unit``.
        unit: "x" for a ratio, else a unit of measurement.
        bound: on which side of the target the value should be.
    """

    name: str
    what: str
    target: float
    unit: str
    bound: Literal["at least", "at most"] = "at least"

    def met(self, value: float) -> bool:
        """Tell whether a value reaches the target."""
        return value >= self.target if self.bound == "at least" else value <= self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Figures that one function measures, once in a round.

    Attributes:
        figures: what it measures.
        measure: takes the round and the names wanted, yields the name and value of each of these.
        once: measure in the first round only, for what takes long and hardly varies.
        quick: whether `--quick` has the time for it.
    """

    figures: tuple[Figure, ...]
    measure: Callable[[Round, frozenset[str]], Iterator[tuple[str, float]]]
    once: bool = False
    quick: bool = True
