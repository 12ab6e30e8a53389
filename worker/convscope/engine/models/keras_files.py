"""Models as the bytes of a Keras file (.keras): weights, and Adam's moments and step count.

Plain Keras opens such a file as well: `keras.saving.load_model(path)`. A file may come from a stranger: it is loaded
only once everything in it is known to be data.
"""

import tempfile
from pathlib import Path

import keras

from convscope.engine.errors import ModelFileError
from convscope.engine.models.keras_archive import count_numbers, open_archive, read_config
from convscope.engine.models.keras_canonical import canonical
from convscope.engine.models.keras_config import check_config
from convscope.engine.models.layer_names import check_model_name
from convscope.engine.runtime.threads import thread_count

__all__ = ["model_from_bytes", "model_to_bytes"]


def model_to_bytes(model: keras.Model) -> bytes:
    """Return the model as a Keras file, with its optimizer's state; equal models give equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return canonical(path.read_bytes())


def model_from_bytes(data: bytes) -> keras.Model:
    """Return the model in a Keras file, with its optimizer's state.

    Raises ModelFileError if the file is damaged, or holds anything but layers that are known, with names that can be
    used (see `layer_names`), and their weights.
    """
    thread_count()  # before TensorFlow's first operation, which loading is
    with open_archive(data) as archive:
        check_config(read_config(archive), count_numbers(archive))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        try:
            model = keras.saving.load_model(path, safe_mode=True)
        except Exception as error:  # what Keras raises for a bad file has no common class
            raise ModelFileError(f"the model's file cannot be loaded: {_first_line(error)}") from error
    check_model_name(model.name)
    return model


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
