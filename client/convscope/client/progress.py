"""A progress bar that follows a job's events, in a terminal or notebook; plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from convscope.client import events
from convscope.client.enums import JobKind
from convscope.client.jobs import JobInfo
from convscope.client.notebook import NotebookDisplay

__all__ = ["ProgressBar", "describe"]

# Seconds between plain lines, where no bar can be drawn.
_LINE_INTERVAL = 10.0
_VERBS = {JobKind.TRAIN: "training", JobKind.EVALUATE: "evaluating", JobKind.VISUALIZE: "visualizing"}


class ProgressBar:
    """A context manager that shows each event it is called with, on the error stream unless told otherwise."""

    def __init__(self, info: JobInfo, *, console: Console | None = None, title: str = "") -> None:
        self._verb = title or _VERBS[info.kind]
        self._iterations = int(info.spec.get("iterations", 0))
        self._console = console or Console(stderr=True)
        terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        notebook = self._console.is_jupyter  # there, rich's own redrawing would need ipywidgets
        self._next_line = 0.0
        self._begun = False
        self._last = ""
        self._bar = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
            TextColumn("{task.fields[figures]}", markup=False),
            console=self._console,
            expand=True,
            disable=notebook or not terminal,
        )
        self._task: TaskID = self._bar.add_task(self._verb, total=None, figures="")
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

    def __call__(self, event: events.Event) -> None:
        """Shows an event."""
        self._take(event)
        if self._notebook:
            self._notebook.update()

    def _take(self, event: events.Event) -> None:
        match event:
            case events.TrainProgress():
                done = event.step - event.last_step + self._iterations
                self._show(event, done, self._iterations, _brief(event))
            case events.EvaluateProgress() | events.ImageReady():
                self._show(event, event.completed, event.total, describe(event))
            case events.Finished():
                self._finish(event)
            case _:
                self._bar.update(self._task, description=f"{self._verb}: {describe(event)}")
                # Each part of a job has its start; whatever else happens on the way is rare and worth a line.
                self._say(describe(event), at_once=not isinstance(event, events.AttemptStarted))

    def _show(self, event: events.Event, done: int, total: int, figures: str) -> None:
        self._last = describe(event)
        self._bar.update(self._task, description=self._verb, completed=done, total=total, figures=figures)
        self._say(self._last, at_once=not self._begun)
        self._begun = True

    def _say(self, text: str, *, at_once: bool) -> None:
        """Prints a line where no bar can be drawn: now and then, or at once."""
        now = time.monotonic()
        if self._lines and (at_once or now >= self._next_line):
            self._next_line = now + _LINE_INTERVAL
            self._line(f"{self._verb}: {text}")

    def _finish(self, event: events.Finished) -> None:
        done = event.state == "succeeded"
        task = self._bar.tasks[self._task]
        total = (task.total or 1) if done else task.total
        text = self._verb if done else f"{self._verb} {event.state}"
        self._bar.update(self._task, description=text, total=total, completed=total if done else task.completed)
        if self._lines:
            self._line(f"{self._verb}: {event.state} {self._last}".rstrip())

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def describe(event: events.Event) -> str:
    """What an event says, in a few words."""
    match event:
        case events.TrainProgress():
            return _training(event)
        case events.EvaluateProgress():
            return f"{event.completed}/{event.total} images"
        case events.ImageReady():
            known = ", stored already" if event.known else ""
            return f"{event.completed}/{event.total} images  {event.image.layer}{known}"
        case events.Finished():
            return f"{event.state}: {event.failure.message}" if event.failure else str(event.state)
    return _beginning(event)


def _beginning(event: events.Event) -> str:
    match event:
        case events.Waiting():
            return f"waiting for {event.model}"
        case events.Queued():
            return "queued"
        case events.AttemptStarted():
            again = "" if event.attempt == 1 else f", attempt {event.attempt}"
            kept = f", going on from {event.resumed_from}" if event.resumed_from else ""
            return f"starting {_part(event)}on {event.worker}{again}{kept}"
        case events.CancelRequested():
            return "asked to stop"
    return _mishap(event)


def _mishap(event: events.Event) -> str:
    match event:
        case events.AttemptLost():
            return f"attempt {event.attempt} {_part(event, 'at ')}was lost: {event.cause}"
        case events.CheckpointUnreadable():
            return f"the checkpoint of step {event.step} cannot be read: {event.reason}"
    return "something that this client does not know"


def _part(event: events.AttemptStarted | events.AttemptLost, word: str = "") -> str:
    """Which part it is about; jobs of one part need not say."""
    return f"{word}part {event.part} " if event.part else ""


def _training(event: events.TrainProgress) -> str:
    parts = [f"step {event.step}/{event.last_step}", *_losses(event)]
    if event.validation_accuracy is not None:
        parts.append(f"val {event.validation_accuracy:.2%}")
    return "  ".join(parts + _speed(event))


def _brief(event: events.TrainProgress) -> str:
    """What fits beside a bar in a terminal of 80 columns."""
    return "  ".join([f"{event.step}/{event.last_step}", *_losses(event), *_speed(event)])


def _losses(event: events.TrainProgress) -> list[str]:
    return [f"loss {event.loss:.4f}", f"acc {event.batch_accuracy:6.1%}"]


def _speed(event: events.TrainProgress) -> list[str]:
    parts = [f"{event.steps_per_second:.0f} steps/s"] if event.steps_per_second else []
    if event.remaining_seconds and event.step < event.last_step:
        minutes, seconds = divmod(round(event.remaining_seconds), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return parts
