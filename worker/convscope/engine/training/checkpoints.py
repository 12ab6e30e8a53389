"""Checkpoints of a training run: when its state is saved, and which state it resumes from."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

import keras

from convscope.engine.errors import CheckpointError, ModelFileError
from convscope.engine.training.state import restore_state

__all__ = ["NO_CHECKPOINTS", "Checkpoints", "Saver", "resume_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """How a run saves its state, and the state that it resumes from.

    Steps count from the model's first step. A state is saved at multiples of ``save_interval`` steps, when more than
    ``save_seconds`` have passed since the last time, and before an ``Interruption`` ends the run; never without a new
    step since the last time or the start.

    Attributes:
        save: takes a step and the model in the state of that step; the model changes again when it has returned.
        save_interval: steps, at least 1.
        save_seconds: time in seconds.
        resume: a step after the run's start and up to its end, and the ``state_to_bytes`` of that step.
    """

    save: Callable[[int, keras.Model], None] = lambda *_: None
    save_interval: int = 1_000
    save_seconds: float = 60.0
    resume: tuple[int, bytes] | None = None


NO_CHECKPOINTS: Final = Checkpoints()


class Saver:
    """Saves a model, at most once at a step, and remembers when."""

    def __init__(self, checkpoints: Checkpoints, model: keras.Model, step: int) -> None:
        self._checkpoints = checkpoints
        self._model = model
        self._saved_step = step
        self._saved_time = monotonic()

    def save_if_late(self, step: int) -> None:
        """Save if the last time was too long ago."""
        if monotonic() - self._saved_time > self._checkpoints.save_seconds:
            self.save(step)

    def save(self, step: int) -> None:
        """Save, unless no step was done since the last time."""
        if step == self._saved_step:
            return
        self._saved_step = step
        self._checkpoints.save(step, self._model)
        self._saved_time = monotonic()


def resume_at(model: keras.Model, resume: tuple[int, bytes], *, start_step: int, last_step: int) -> int:
    """Restore the state of a later step into a model, and return that step.

    Args:
        model: has done ``start_step`` steps.
        resume: the step and its state.
        start_step: first step of the run.
        last_step: last step of the run.

    Raises:
        CheckpointError: if the state is damaged or not of this step of this run.
    """
    step, state = resume
    if not start_step < step <= last_step:
        raise CheckpointError(f"the training state is of step {step}, not of one from {start_step + 1} to {last_step}")
    expected = int(model.optimizer.iterations.numpy()) + step - start_step
    try:
        restore_state(model, state)
    except ModelFileError as error:
        raise CheckpointError(str(error)) from error
    counted = int(model.optimizer.iterations.numpy())
    if counted != expected:
        raise CheckpointError(f"the training state is not of step {step}: Adam counts {counted} steps, not {expected}")
    return step
