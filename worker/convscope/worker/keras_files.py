"""Models as the bytes of a Keras file (.keras): weights, and Adam's moments and step count.

Plain Keras opens such a file as well: `keras.saving.load_model(path)`.
"""

import io
import tempfile
import zipfile
import zlib
from pathlib import Path

import keras

from convscope.worker.errors import ModelFileError
from convscope.worker.threads import thread_count

__all__ = ["model_from_bytes", "model_to_bytes"]


def model_to_bytes(model: keras.Model) -> bytes:
    """Return the model as a Keras file, with its optimizer's state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def model_from_bytes(data: bytes) -> keras.Model:
    """Return the model in a Keras file, with its optimizer's state.

    Raises ModelFileError if the file is damaged.
    """
    thread_count()  # before TensorFlow's first operation, which loading is
    _check_archive(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        try:
            return keras.saving.load_model(path, safe_mode=True)
        except Exception as error:  # what Keras raises for a bad file has no common class
            raise ModelFileError(f"the model's file cannot be loaded: {_first_line(error)}") from error


def _check_archive(data: bytes) -> None:
    """Compare the checksum of every member: Keras itself would take damaged weights for good ones."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelFileError(f"the model's file is no Keras file, or cut short: {error}") from error
    if damaged is not None:
        raise ModelFileError(f"the model's file is damaged: {damaged} does not match its checksum")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
