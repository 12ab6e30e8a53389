"""When the state of a training run is kept, and from where a run goes on."""

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
    """How a run keeps its state, and the state that it goes on from.

    `save` takes a step and the model as that step left it; the model goes on changing when `save` has returned. It is
    called at multiples of `save_interval` steps (at least 1), when more than `save_seconds` have passed since the last
    time, and before an Interruption ends the run; never where no step has been done since the last time or the start.
    `resume` is a step after the run's start and up to its end, and `state_to_bytes` of the model as that step left it.
    Steps count from the model's very first step.
    """

    save: Callable[[int, keras.Model], None] = lambda *_: None
    save_interval: int = 1_000
    save_seconds: float = 60.0
    resume: tuple[int, bytes] | None = None


NO_CHECKPOINTS: Final = Checkpoints()


class Saver:
    """Saves a model, never twice at one step, and knows when it last did."""

    def __init__(self, checkpoints: Checkpoints, model: keras.Model, step: int) -> None:
        self._checkpoints = checkpoints
        self._model = model
        self._saved_step = step
        self._saved_time = monotonic()

    def save_if_late(self, step: int) -> None:
        """Save if the last time is too long ago."""
        if monotonic() - self._saved_time > self._checkpoints.save_seconds:
            self.save(step)

    def save(self, step: int) -> None:
        """Save, unless nothing has been done since the last time."""
        if step == self._saved_step:
            return
        self._saved_step = step
        self._checkpoints.save(step, self._model)
        self._saved_time = monotonic()


def resume_at(model: keras.Model, resume: tuple[int, bytes], *, start_step: int, last_step: int) -> int:
    """Bring a model that has done `start_step` steps into the state of a later step, and return that step.

    Raises CheckpointError if the state is damaged or not that of this step of this run.
    """
    step, state = resume
    if not start_step < step <= last_step:
        raise CheckpointError(f"the training state is of step {step}, not of one from {start_step + 1} to {last_step}")
    expected = int(model.optimizer.iterations.numpy()) + step - start_step
    try:
        restore_state(model, state)
    except ModelFileError as error:
        raise CheckpointError(str(error)) from error
    found = int(model.optimizer.iterations.numpy())
    if found != expected:
        raise CheckpointError(f"the training state is not of step {step}: Adam counts {found} steps, not {expected}")
    return step
