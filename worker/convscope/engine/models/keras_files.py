"""Models as the bytes of a Keras file (.keras): weights, and Adam's moments and step count.

Keras opens such a file as well: ``keras.saving.load_model(path)``. A file may come from an untrusted source: it is
loaded only after everything in it is known to be data.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from convscope.engine.errors import ModelFileError
from convscope.engine.models.keras_archive import count_numbers, open_archive, read_config
from convscope.engine.models.keras_canonical import canonical
from convscope.engine.models.keras_config import check_config
from convscope.engine.models.layer_names import check_model_name
from convscope.engine.runtime.threads import thread_count

__all__ = ["KerasFile", "model_from_bytes", "model_to_bytes"]


def model_to_bytes(model: keras.Model) -> bytes:
    """Return the model as a Keras file, with its optimizer's state; equal models give equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return canonical(path.read_bytes())


def model_from_bytes(data: bytes) -> keras.Model:
    """Return the model in a Keras file, with its optimizer's state.

    Raises:
        ModelFileError: if the file is damaged, or holds anything but known layers with valid names (see
            ``layer_names``) and their weights.
    """
    return KerasFile(data).load(training=True)


class KerasFile:
    """A Keras file whose content is checked to be data, with allowed layers only.

    Attributes:
        config: the model's configuration, as read from JSON.

    Raises:
        ModelFileError: if it is not.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        with open_archive(data) as archive:
            self.config = read_config(archive)
            check_config(self.config, count_numbers(archive))

    def load(self, *, training: bool) -> keras.Model:
        """Return the model.

        Args:
            training: whether to load the optimizer and its state, to continue the training.

        Raises:
            ModelFileError: if Keras cannot load it, or its name is invalid.
        """
        model = self._opened(lambda path: keras.saving.load_model(path, safe_mode=True, compile=training))
        check_model_name(model.name)
        return model

    def load_into(self, model: keras.Model) -> None:
        """Load the weights of this file into a model of the same architecture; a failure leaves it with some of them.

        Raises:
            ModelFileError: if the weights do not match the architecture.
        """
        self._opened(model.load_weights)

    def _opened(self, use: Callable[[Path], Any]) -> Any:
        thread_count()  # before TensorFlow's first operation, which loading is
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(self._data)
            try:
                return use(path)
            except Exception as error:  # Keras' errors for an invalid file have no common class
                raise ModelFileError(f"the model's file cannot be loaded: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
