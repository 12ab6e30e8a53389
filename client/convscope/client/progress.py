"""A progress bar that follows a job's events."""

from typing import TypeAlias

from rich.console import Console

from convscope.client import events
from convscope.client.bars import Bar
from convscope.client.enums import JobKind
from convscope.client.job_info import JobInfo

__all__ = ["ProgressBar", "describe"]

_VERBS = {JobKind.TRAIN: "training", JobKind.EVALUATE: "evaluating", JobKind.VISUALIZE: "visualizing"}
# Events that tell how far a job has come.
_Counted: TypeAlias = events.TrainProgress | events.EvaluateProgress | events.ImageReady


class ProgressBar(Bar):
    """A context manager that shows each event it is called with, by default on the error stream."""

    def __init__(self, info: JobInfo, *, console: Console | None = None, title: str = "") -> None:
        super().__init__(title or _VERBS[info.kind], console)
        self._iterations = int(info.spec.get("iterations", 0))
        self._so_far = self._last = ""

    def __call__(self, event: events.Event) -> None:
        """Show an event."""
        match event:
            case events.TrainProgress():
                total = self._iterations or event.last_step  # a spec that is not complete yet may lack the number
                self._show(event, event.step - event.last_step + total, total, _brief(event))
            case events.EvaluateProgress() | events.ImageReady():
                self._show(event, event.completed_count, event.total_count, describe(event))
            case events.Finished():
                self._finish(event)
            case _:
                self._mention(event)

    def waiting(self, reason: str) -> None:
        """Show why the job waits."""
        self.tell(f"queued: {reason}")

    def _show(self, event: _Counted, done: int, total: int, figures: str) -> None:
        self._so_far, self._last = _so_far(event), describe(event)
        self.count(done, total, figures, self._last)

    def _mention(self, event: events.Event) -> None:
        """Show what else has happened; a line, which stands alone, begins with how far the job had come by then."""
        again = " again" if self._so_far and isinstance(event, events.Queued) else ""
        text = f"{describe(event)}{again}"
        line = f"{self._so_far}; {text}" if self._so_far else text
        # Every part of a job has a start; other events are rare and worth a line.
        self.tell(text, line, at_once=not isinstance(event, events.AttemptStarted))

    def _finish(self, event: events.Finished) -> None:
        done = event.state == "succeeded"
        title = "" if done else f"{self._title} {event.state}"
        self.end(title, f"{event.state} {self._last}".rstrip(), whole=done)


def describe(event: events.Event) -> str:
    """Describe an event, in a few words."""
    match event:
        case events.TrainProgress():
            return _training(event)
        case events.EvaluateProgress():
            return _so_far(event)
        case events.ImageReady():
            cached = ", stored already" if event.cached else ""
            return f"{_so_far(event)}  {event.image.layer}{cached}"
        case events.Finished():
            return f"{event.state}: {event.failure.message}" if event.failure else str(event.state)
    return _beginning(event)


def _so_far(event: _Counted) -> str:
    """Return how far a job has come, as ``step 100/10000`` or ``3/62 images``."""
    if isinstance(event, events.TrainProgress):
        return f"step {event.step}/{event.last_step}"
    return f"{event.completed_count}/{event.total_count} images"


def _beginning(event: events.Event) -> str:
    match event:
        case events.Waiting():
            return f"waiting for {event.resource}"
        case events.Queued():
            return "queued"
        case events.AttemptStarted():
            again = "" if event.attempt == 1 else f", attempt {event.attempt}"
            worker = event.worker.removeprefix("workers/")
            return f"starting {_part(event)}on {worker}{again}{_kept(event)}"
        case events.CancelRequested():
            return "asked to stop"
    return _mishap(event)


def _mishap(event: events.Event) -> str:
    match event:
        case events.AttemptLost():
            return f"attempt {event.attempt} {_part(event, 'at ')}was lost: {event.cause}"
        case events.CheckpointUnreadable():
            return f"the checkpoint of step {event.step} cannot be read: {event.cause}"
    return "something that this client does not know"


def _part(event: events.AttemptStarted | events.AttemptLost, word: str = "") -> str:
    """Return which part an event is about; nothing for jobs of one part."""
    return f"{word}part {event.part} " if event.part else ""


def _kept(event: events.AttemptStarted) -> str:
    """Return what is kept of the attempts before."""
    if event.step:
        return f", resuming from step {event.step}"
    return f", with {event.image_count} images kept" if event.image_count else ""


def _training(event: events.TrainProgress) -> str:
    parts = [_so_far(event), *_losses(event)]
    if event.validation_accuracy is not None:
        parts.append(f"val {event.validation_accuracy:.2%}")
    return "  ".join(parts + _speed(event))


def _brief(event: events.TrainProgress) -> str:
    """Shorten a text to what fits beside a bar in a terminal of 80 columns."""
    return "  ".join([f"{event.step}/{event.last_step}", *_losses(event), *_speed(event)])


def _losses(event: events.TrainProgress) -> list[str]:
    return [f"loss {event.loss:.4f}", f"acc {event.batch_accuracy:6.1%}"]


def _speed(event: events.TrainProgress) -> list[str]:
    parts = [f"{event.steps_per_second:.0f} steps/s"] if event.steps_per_second else []
    if event.remaining_seconds and event.step < event.last_step:
        minutes, seconds = divmod(round(event.remaining_seconds), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return parts
