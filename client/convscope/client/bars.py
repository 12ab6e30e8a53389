"""A progress bar in a terminal or notebook; plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from convscope.client.notebook import NotebookDisplay

__all__ = ["Bar"]

# Seconds between plain lines, where no bar can be drawn.
_LINE_INTERVAL = 10.0


class Bar:
    """A context manager that shows how far some work is.

    Args:
        title: What the work is, as ``training``.
        console: Where it is shown. Default: the error stream.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._console = console or Console(stderr=True)
        terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        notebook = self._console.is_jupyter  # there, rich's own redrawing would need ipywidgets
        self._next_line = 0.0
        self._begun = False
        self._bar = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
            TextColumn("{task.fields[figures]}", markup=False),
            console=self._console,
            expand=True,
            disable=notebook or not terminal,
        )
        self._task: TaskID = self._bar.add_task(title, total=None, figures="")
        self._notebook = NotebookDisplay(self._bar) if notebook else None
        self._lines = not terminal and not notebook

    def __enter__(self) -> Self:
        if self._notebook:
            self._notebook.start()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._notebook:
            self._notebook.stop()

    def count(self, done: int, total: int, figures: str, line: str = "") -> None:
        """Show how much is done, with figures beside the bar; where there is none, print a line now and then."""
        self._bar.update(self._task, description=self._title, completed=done, total=total, figures=figures)
        self._say(line or figures, at_once=not self._begun)
        self._begun = True
        self._update()

    def tell(self, text: str, line: str = "", *, at_once: bool = True) -> None:
        """Show what else has happened until the next count; where there is no bar, at once or now and then."""
        self._bar.update(self._task, description=f"{self._title}: {text}")
        self._say(line or text, at_once=at_once)
        self._update()

    def end(self, title: str = "", line: str = "", *, whole: bool = True) -> None:
        """Show the end: the bar full if the work is complete, else as it was; where there is none, a line if any."""
        task = self._bar.tasks[self._task]
        total = (task.total or 1) if whole else task.total
        completed = total if whole else task.completed
        self._bar.update(self._task, description=title or self._title, total=total, completed=completed)
        if line:
            self._say(line, at_once=True)
        self._update()

    def _say(self, text: str, *, at_once: bool) -> None:
        """Print a line where no bar can be drawn: now and then, or at once."""
        now = time.monotonic()
        if self._lines and (at_once or now >= self._next_line):
            self._next_line = now + _LINE_INTERVAL
            self._console.print(f"{self._title}: {text}", markup=False, highlight=False, soft_wrap=True)

    def _update(self) -> None:
        if self._notebook:
            self._notebook.update()
