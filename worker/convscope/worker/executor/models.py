"""Models that jobs work on, from the store."""

import keras

from convscope.engine.models.keras_files import model_from_bytes
from convscope.v1.models_pb2 import Model
from convscope.worker.executor.context import AttemptContext

__all__ = ["load_model"]


def load_model(context: AttemptContext) -> tuple[Model, keras.Model]:
    """Return the description of the model that a job works on, and the model itself.

    Raises:
        BlobDamagedError: if its file is missing or damaged.
        ModelFileError: if it cannot be used.
    """
    attempt = context.attempt
    return attempt.model, model_from_bytes(context.blobs.get(attempt.model_file))
