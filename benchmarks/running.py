"""Measure figures in rounds, and take their medians."""

import time
from collections.abc import Iterator
from statistics import median

from rich.console import Console
from rich.markup import escape

from benchmarks.figures import Family, Figure
from benchmarks.quiet import own_seconds
from benchmarks.registry import FAMILIES, QUICK, figures
from benchmarks.report import Outcome
from benchmarks.rounds import Round, Session

__all__ = ["Run"]


class Run:
    """One run of the benchmarks.

    Args:
        names: figures to measure.
        quick: whether to measure only those in ``QUICK``, in one round.
        console: where to say what is being measured, and what went wrong.
    """

    def __init__(self, names: frozenset[str], *, quick: bool, console: Console) -> None:
        self._names = names
        self._measured = names & frozenset(QUICK) if quick else names
        self._quick = quick
        self._console = console
        self._values: dict[str, list[float]] = {name: [] for name in names}
        self._failed: set[str] = set()

    def measure(self) -> list[Outcome]:
        """Measure everything and return the outcomes in the registry's order."""
        rounds = 1 if self._quick else max(family.rounds for family in FAMILIES)
        with Session(quick=self._quick) as session:
            for number in range(rounds):
                this = Round(session)
                for family, wanted in self._plan(number):
                    self._console.print(f"[dim]round {number + 1}: {', '.join(sorted(wanted))}", end="")
                    began, worked = time.monotonic(), own_seconds()
                    self._measure_family(family, this, wanted)
                    took, worked = time.monotonic() - began, own_seconds() - worked
                    self._console.print(f"[dim], {took:.0f} s ({worked:.0f} s of processor time)")
        return [self._outcome(figure) for name, figure in figures().items() if name in self._names]

    def _plan(self, number: int) -> Iterator[tuple[Family, frozenset[str]]]:
        for family in FAMILIES:
            wanted = self._measured.intersection(figure.name for figure in family.figures) - self._failed
            if wanted and number < family.rounds:
                yield family, wanted

    def _measure_family(self, family: Family, this: Round, wanted: frozenset[str]) -> None:
        missing = set(wanted)
        try:
            for name, value in family.measure(this, wanted):
                self._values[name].append(value)
                missing.discard(name)
            assert not missing, "not measured, for no known reason"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in one family, the others can still measure
            self._failed |= missing
            blamed = ", ".join(sorted(missing or wanted))
            self._console.print(f" [red]{blamed}: {type(error).__name__}: {escape(str(error))}", end="")

    def _outcome(self, figure: Figure) -> Outcome:
        values = self._values[figure.name]
        if figure.name in self._failed:
            return Outcome(figure=figure, note="failed")
        if not values:
            return Outcome(figure=figure, note="not with --quick")
        return Outcome(figure=figure, values=tuple(values), value=median(values))
