"""Checkpoints of a training job: where they are kept, and which one an attempt goes on from."""

import logging
from collections.abc import Callable

import keras

from convscope.engine import CheckpointError, Checkpoints, TrainOutcome, environment, state_to_bytes
from convscope.store import Checkpoint
from convscope.store.errors import BlobDamagedError
from convscope.store.failpoints import failpoint
from convscope.worker.executor.context import AttemptContext

__all__ = ["environments", "train_with_checkpoints"]

log = logging.getLogger(__name__)

# Between the values that a part of the environment had in one attempt and the next.
THEN = ", then "


def train_with_checkpoints(context: AttemptContext, run: Callable[[Checkpoints], TrainOutcome]) -> TrainOutcome:
    """Train from the latest checkpoint that can be gone on from, or anew.

    Args:
        context: of the attempt, whose checkpoints are kept.
        run: trains; must raise CheckpointError before its first step if it cannot go on from what it is given.
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
    """Return what decided the bits in all attempts that the present one goes on from, itself included.

    What was not the same in all of them has every value, as in ``2, then 1``.
    """
    found: list[dict[str, str]] = []
    for event in context.logged():
        if event.HasField("attempt_started"):
            found = found if event.attempt_started.step else []
            found.append(dict(event.attempt_started.environment))
    return {name: THEN.join(dict.fromkeys(each.get(name, "") for each in found)) for name in environment()}


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
            "jobs/%s goes on from step %d where another attempt had other conditions (%s): its weights may differ in "
            "their last bits from those of an undisturbed run",
            context.attempt.job_id,
            step,
            "; ".join(changed),
        )
