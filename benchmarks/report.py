"""Show figures: a table for people, one object for programs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.quiet import MOST_FOREIGN_SHARE

__all__ = ["Outcome", "as_json", "show"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a figure.

    Attributes:
        figure: which.
        values: all that were measured; empty if it was not measured.
        value: their median.
        note: why there is none.
    """

    figure: Figure
    values: tuple[float, ...] = ()
    value: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if nothing was measured."""
        return None if self.value is None else self.figure.met(self.value)


def show(outcomes: Iterable[Outcome], console: Console, *, foreign_share: float = 0.0) -> None:
    """Print the table, and below it whether other work disturbed the run: `foreign_share` of the processors, 0 to 1."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("figure", "value", "spread", "noise", "target", "met"):
        table.add_column(heading, justify="left" if heading in {"figure", "met"} else "right", no_wrap=True)
    table.add_column("")
    for outcome in outcomes:
        figure = outcome.figure
        sign = "≥" if figure.bound == "at least" else "≤"
        target = f"{sign} {figure.target:g} {figure.unit}"
        noise = f"± {100 * figure.noise:g} %"
        table.add_row(figure.name, _value(outcome), _spread(outcome), noise, target, _verdict(outcome), figure.what)
    console.print(table)
    if foreign_share > MOST_FOREIGN_SHARE:
        console.print(
            f"[yellow]Other work used {foreign_share:.0%} of the processors meanwhile: speeds and times above are "
            "not to be relied on, whether met or not. Repeat on a quiet machine."
        )


def as_json(outcomes: Iterable[Outcome]) -> str:
    """Return one object: each figure's value, least and largest value, noise, target, unit and whether it is met."""
    rows: Mapping[str, object] = {
        outcome.figure.name: {
            "value": None if outcome.value is None else _short(outcome.value),
            "spread": [_short(min(outcome.values)), _short(max(outcome.values))] if outcome.values else None,
            "noise": outcome.figure.noise,
            "target": outcome.figure.target,
            "unit": outcome.figure.unit,
            "met": outcome.met,
        }
        for outcome in outcomes
    }
    return json.dumps(rows)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _value(outcome: Outcome) -> str:
    return "-" if outcome.value is None else f"{outcome.value:.3g} {outcome.figure.unit}"


def _verdict(outcome: Outcome) -> str:
    if outcome.met is None:
        return f"[yellow]{outcome.note}"
    return "[green]met" if outcome.met else "[red]not met"


def _spread(outcome: Outcome) -> str:
    """Return the smallest and the largest of a figure's values, and their number."""
    if len(outcome.values) < 2:
        return "-"
    return f"{min(outcome.values):.3g} to {max(outcome.values):.3g} ({len(outcome.values)})"
