"""Printing results, for people and for programs."""

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["console", "details", "plain", "print_deleted", "print_json", "table", "when"]


def console() -> Console:
    """Return the standard output; as wide as the text where it is not a terminal, so that nothing is cut."""
    output = Console(highlight=False)
    return output if output.is_terminal else Console(highlight=False, width=200, soft_wrap=True)


def print_json(value: object) -> None:
    """Print one JSON object on one line."""
    typer.echo(json.dumps(plain(value), allow_nan=False))


def print_deleted(name: str, *, json: bool) -> None:
    """Say that something was deleted."""
    print_json({"deleted": name}) if json else typer.echo(f"deleted {name}")


def plain(value: object) -> Any:
    """Return the value as JSON has it: dataclasses as objects, arrays as lists, images left out, NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: plain(field) for name, field in fields.items() if not _is_image(field)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)


class _Table(Table):
    """A table whose cells are plain text without markup: names and messages of a server may have brackets."""

    def add_row(self, *cells: Any, **settings: Any) -> None:
        """Add a row."""
        super().add_row(*map(Text, cells), **settings)


def table(*columns: str) -> Table:
    """Return an empty table; a column named with a leading ``>`` is right-aligned."""
    rows = _Table(box=box.SIMPLE_HEAD, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        rows.add_column(Text(column.removeprefix(">")), justify=justify, no_wrap=True)
    return rows


def details(kind: str, name: str) -> Table:
    """Return an empty table of what is known of one thing, a line each; long values are wrapped."""
    rows = table(kind, name)
    rows.columns[-1].no_wrap, rows.columns[-1].overflow = False, "fold"
    return rows


def when(moment: datetime | None) -> str:
    """Return a moment in this machine's time zone, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def _is_image(value: object) -> bool:
    return isinstance(value, bytes) or (isinstance(value, np.ndarray) and value.ndim > 2)
