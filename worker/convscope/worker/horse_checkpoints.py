"""Checkpoints of a training job: where they are kept, and which one an attempt goes on from."""

import keras

from convscope.store import Checkpoint
from convscope.store.errors import BlobDamagedError
from convscope.v1.jobs_pb2 import CheckpointUnreadable, JobEvent
from convscope.worker.horse_report import Reporter
from convscope.worker.training import Checkpoints, state_to_bytes
from convscope.worker.variables import CHECKPOINT_VARIABLE, number_in

__all__ = ["training_checkpoints"]

# Steps between two checkpoints; a minute is the most that can be lost besides.
INTERVAL = 1_000


def training_checkpoints(reporter: Reporter) -> Checkpoints:
    """Return how the attempt keeps its checkpoints, and the state that it goes on from."""

    def save(step: int, model: keras.Model) -> None:
        blob = reporter.blobs.put(state_to_bytes(model))
        reporter.attempt.save_checkpoint(Checkpoint(step, blob))

    return Checkpoints(save=save, save_interval=number_in(CHECKPOINT_VARIABLE) or INTERVAL, resume=_latest(reporter))


def _latest(reporter: Reporter) -> tuple[int, bytes] | None:
    for checkpoint in reporter.attempt.checkpoints:
        try:
            return checkpoint.step, reporter.blobs.get(checkpoint.blob)
        except BlobDamagedError as error:
            unreadable = CheckpointUnreadable(step=checkpoint.step, reason=str(error))
            reporter.event(JobEvent(checkpoint_unreadable=unreadable))
    return None
