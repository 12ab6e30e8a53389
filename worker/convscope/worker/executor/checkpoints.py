"""Checkpoints of a training job: how they are saved, and which one an attempt resumes from."""

import logging
from collections.abc import Callable

import keras

from convscope.engine import CheckpointError, Checkpoints, TrainOutcome, environment, state_to_bytes
from convscope.store import BlobDamagedError, Checkpoint, failpoint
from convscope.worker.executor.context import AttemptContext

__all__ = ["environments", "train_with_checkpoints"]

log = logging.getLogger(__name__)

# Separates the values that a property of the environment had in one attempt and the next.
THEN = ", then "


def train_with_checkpoints(context: AttemptContext, run: Callable[[Checkpoints], TrainOutcome]) -> TrainOutcome:
    """Train from the latest checkpoint that can be restored, or from the beginning.

    Args:
        context: of the attempt.
        run: trains; must raise ``CheckpointError`` before its first step if it cannot resume from its argument.
    """
    for checkpoint in context.attempt.checkpoints:
        try:
            state = _read(context, checkpoint)
            _warn_of_other_bits(context, checkpoint.step)
            return run(_checkpoints(context, (checkpoint.step, state)))
        except CheckpointError as error:
            context.attempt.forget_checkpoint(checkpoint, str(error))
    return run(_checkpoints(context, None))


def environments(context: AttemptContext) -> dict[str, str]:
    """Return the properties that decide the bits, of this attempt and all those that it resumes from.

    A property that was not the same in all of them has every value, as in ``2, then 1``.
    """
    attempts: list[dict[str, str]] = []
    for event in context.logged():
        if event.HasField("attempt_started"):
            attempts = attempts if event.attempt_started.step else []
            attempts.append(dict(event.attempt_started.environment))
    return {name: THEN.join(dict.fromkeys(values.get(name, "") for values in attempts)) for name in environment()}


def _checkpoints(context: AttemptContext, resume: tuple[int, bytes] | None) -> Checkpoints:
    def save(step: int, model: keras.Model) -> None:
        failpoint("executor.before_checkpoint")
        blob = context.attempt.put(state_to_bytes(model))
        context.attempt.save_checkpoint(Checkpoint(step, blob))
        failpoint("executor.after_checkpoint")

    return Checkpoints(save=save, save_interval=context.settings.checkpoint_steps, resume=resume)


def _read(context: AttemptContext, checkpoint: Checkpoint) -> bytes:
    try:
        return context.blobs.get(checkpoint.blob)
    except BlobDamagedError as error:
        raise CheckpointError(str(error)) from error


def _warn_of_other_bits(context: AttemptContext, step: int) -> None:
    changed = [f"{name} {value}" for name, value in environments(context).items() if THEN in value]
    if changed:
        log.warning(
            "jobs/%s resumes from step %d, where another attempt had other conditions (%s): its weights may differ in "
            "their last bits from those of an undisturbed run",
            context.attempt.job_id,
            step,
            "; ".join(changed),
        )
