"""Measures figures in rounds and takes their medians."""

from collections.abc import Iterator
from statistics import median

from rich.console import Console
from rich.markup import escape

from benchmarks.figures import Family, Figure
from benchmarks.registry import FAMILIES, figures
from benchmarks.report import Outcome
from benchmarks.rounds import FULL, QUICK, Round, Session

__all__ = ["Run"]


class Run:
    """One run of the benchmarks.

    Args:
        names: figures to measure.
        quick: one short round instead of several.
        console: where to say what is being measured, and what went wrong.
    """

    def __init__(self, names: frozenset[str], *, quick: bool, console: Console) -> None:
        self._names = names
        self._quick = quick
        self._console = console
        self._values: dict[str, list[float]] = {name: [] for name in names}
        self._failed: set[str] = set()

    def measure(self) -> list[Outcome]:
        """Measure everything and return the outcomes in the registry's order."""
        size = QUICK if self._quick else FULL
        with Session(size) as session:
            for number in range(size.rounds):
                this = Round(session)
                for family, wanted in self._plan(first=number == 0):
                    self._console.print(f"[dim]round {number + 1} of {size.rounds}: {', '.join(sorted(wanted))}")
                    self._measure_family(family, this, wanted)
        return [self._outcome(figure) for name, figure in figures().items() if name in self._names]

    def _plan(self, *, first: bool) -> Iterator[tuple[Family, frozenset[str]]]:
        for family in FAMILIES:
            wanted = self._names.intersection(figure.name for figure in family.figures) - self._failed
            if wanted and (family.quick or not self._quick) and (first or not family.once):
                yield family, wanted

    def _measure_family(self, family: Family, this: Round, wanted: frozenset[str]) -> None:
        missing = set(wanted)
        try:
            for name, value in family.measure(this, wanted):
                self._values[name].append(value)
                missing.remove(name)
            assert not missing, "not measured, and nobody said why"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in one family, the others can still measure
            self._failed |= missing
            self._console.print(f"[red]{', '.join(sorted(missing))}: {type(error).__name__}: {escape(str(error))}")

    def _outcome(self, figure: Figure) -> Outcome:
        values = self._values[figure.name]
        if figure.name in self._failed:
            return Outcome(figure=figure, note="failed")
        if not values:
            return Outcome(figure=figure, note="not with --quick")
        return Outcome(figure=figure, values=tuple(values), value=median(values))
