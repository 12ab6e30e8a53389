"""Models that jobs use, from the store."""

import keras

from convscope.engine import model_from_bytes
from convscope.engine.models.model_file import ModelFile
from convscope.worker.executor.context import AttemptContext

__all__ = ["load_model", "open_model"]


def open_model(context: AttemptContext) -> ModelFile:
    """Return the file of a job's model, which is read only if the model is not loaded already.

    Using it raises ``BlobDamagedError`` if the file is missing or damaged, and ``ModelFileError`` if it is invalid.
    """
    sha256 = context.attempt.model_file
    return ModelFile(sha256, lambda: context.blobs.get(sha256), context.caches)


def load_model(context: AttemptContext) -> keras.Model:
    """Return a copy of a job's model, for training.

    Raises:
        BlobDamagedError: if its file is missing or damaged.
        ModelFileError: if its file is invalid.
    """
    return model_from_bytes(context.blobs.get(context.attempt.model_file))
