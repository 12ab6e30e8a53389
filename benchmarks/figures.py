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
        what: a description for people.
        target: the bound, in ``unit``.
        unit: "x" for a ratio, else a unit of measurement.
        noise: the estimated share by which the value of another run may differ on a quiet machine.
        bound: on which side of the target the value should be.
    """

    name: str
    what: str
    target: float
    unit: str
    noise: float
    bound: Literal["at least", "at most"] = "at least"

    def met(self, value: float) -> bool:
        """Return whether a value reaches the target."""
        return value >= self.target if self.bound == "at least" else value <= self.target

    def agrees(self, value: float, other: float) -> bool:
        """Return whether the values of two runs differ by no more than the noise."""
        return abs(value - other) <= self.noise * max(abs(value), abs(other))


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Figures that one function measures.

    Attributes:
        figures: what it measures.
        measure: takes the round and the names to measure; yields pairs of name and value, one or several for each
            name. A figure is the median of all its values.
        rounds: in how many rounds of a full run the family is measured: more where single rounds differ.
    """

    figures: tuple[Figure, ...]
    measure: Callable[[Round, frozenset[str]], Iterator[tuple[str, float]]]
    rounds: int = 1
