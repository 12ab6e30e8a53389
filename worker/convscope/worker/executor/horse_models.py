"""Models that jobs work on, from the store."""

import keras

from convscope.engine.models.keras_files import model_from_bytes
from convscope.store import ModelStore
from convscope.v1.models_pb2 import Model
from convscope.worker.executor.horse_report import Reporter

__all__ = ["load_model"]


def load_model(reporter: Reporter, name: str) -> tuple[Model, keras.Model]:
    """Return a model's description, and the model itself.

    Raises:
        NotFoundError: if there is no such model.
        StateError: if it is not READY.
        BlobDamagedError: if its file is missing or damaged.
        ModelFileError: if it cannot be used.
    """
    model = ModelStore(reporter.redis).ready(name)
    return model, model_from_bytes(reporter.blobs.get(model.sha256))
