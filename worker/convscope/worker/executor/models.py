"""Models that jobs work on, from the store."""

import keras

from convscope.engine import model_from_bytes
from convscope.engine.models.model_file import ModelFile
from convscope.worker.executor.context import AttemptContext

__all__ = ["load_model", "open_model"]


def open_model(context: AttemptContext) -> ModelFile:
    """Return the file of the model that a job works on, which is read only if it is not loaded already.

    What uses it raises BlobDamagedError if the file is missing or damaged, and ModelFileError if it cannot be used.
    """
    sha256 = context.attempt.model_file
    return ModelFile(sha256, lambda: context.blobs.get(sha256), context.caches)


def load_model(context: AttemptContext) -> keras.Model:
    """Return the model that a job works on, to be changed.

    Raises:
        BlobDamagedError: if its file is missing or damaged.
        ModelFileError: if it cannot be used.
    """
    return model_from_bytes(context.blobs.get(context.attempt.model_file))
