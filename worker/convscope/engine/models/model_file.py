"""Models of Keras files, whose compiled functions all files of one architecture share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import keras
import numpy.typing as npt

from convscope.engine.models.architecture import architecture_key
from convscope.engine.models.keras_files import KerasFile
from convscope.engine.runtime.caches import Caches

__all__ = ["ModelFile", "Shared", "loaded_models"]


class Shared(Protocol):
    """A value that all models of an architecture share."""

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the value, in bytes."""

    def weights_changed(self) -> None:
        """Drop what was computed from the weights' values."""


Value = TypeVar("Value", bound=Shared)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Weights:
    """The values of all variables of a file's model, in order, and the key of its architecture."""

    architecture: str
    values: Sequence[npt.NDArray[Any]]

    @property
    def size_bytes(self) -> int:
        return _size_bytes(self.values)


class _Architecture:
    """One model in memory, which gets the weights of one file after another, and its compiled functions."""

    def __init__(self, model: keras.Model, sha256: str) -> None:
        self._model = model
        self._sha256 = sha256  # of the file whose weights the model has; empty while they are loaded
        self._shared: dict[Callable[[keras.Model], Any], Any] = {}

    @property
    def size_bytes(self) -> int:
        shared: int = sum(value.size_bytes for value in self._shared.values())
        return _size_bytes(self._values()) + shared

    def read(self, sha256: str, file: KerasFile) -> Sequence[npt.NDArray[Any]]:
        """Load the weights of a file, and return their values."""
        if sha256 != self._sha256:
            self._sha256 = ""
            file.load_into(self._model)
            self._changed(sha256)
        return self._values()

    def take(self, sha256: str, values: Sequence[npt.NDArray[Any]]) -> None:
        """Set the weights of the model to those of a file, unless it has them."""
        if sha256 == self._sha256:
            return
        self._sha256 = ""
        for variable, value in zip(self._model.variables, values, strict=True):
            variable.assign(value)
        self._changed(sha256)

    def shared(self, make: Callable[[keras.Model], Value]) -> Value:
        """Return ``make(model)``, which is made once."""
        if make not in self._shared:
            self._shared[make] = make(self._model)
        value: Value = self._shared[make]
        return value

    def _values(self) -> list[npt.NDArray[Any]]:
        return [variable.numpy() for variable in self._model.variables]

    def _changed(self, sha256: str) -> None:
        self._sha256 = sha256
        for value in self._shared.values():
            value.weights_changed()


class ModelFile:
    """A Keras file whose model is loaded on first use, unless the caches have it.

    Args:
        sha256: digest of the file, its key in the caches.
        read: returns the file's bytes; called only where they are needed.
        caches: of the process.
    """

    def __init__(self, sha256: str, read: Callable[[], bytes], caches: Caches) -> None:
        self._sha256 = sha256
        self._read = read
        self._caches = caches

    def clear_caches(self) -> None:
        """Evict everything, of other models as well, to free memory."""
        self._caches.clear()

    def shared(self, make: Callable[[keras.Model], Value]) -> Value:
        """Return ``make(model)``, where the model has this file's weights until another file is used.

        To be called before each use. The value is made once for all files of the architecture, and must follow the
        weights.

        Raises:
            ModelFileError: if the file is invalid.
        """
        weights = self._caches.get(("weights", self._sha256), self._weights)
        architecture = self._architecture(weights.architecture, lambda: KerasFile(self._read()))
        architecture.take(self._sha256, weights.values)
        return architecture.shared(make)

    def _weights(self) -> _Weights:
        file = KerasFile(self._read())
        key = architecture_key(file.config, self._sha256)
        return _Weights(architecture=key, values=self._architecture(key, lambda: file).read(self._sha256, file))

    def _architecture(self, key: str, file: Callable[[], KerasFile]) -> _Architecture:
        return self._caches.get(("architecture", key), lambda: _Architecture(file().load(training=False), self._sha256))


def loaded_models(caches: Caches) -> list[str]:
    """Return the digests of the files whose models are loaded."""
    return [str(key[1]) for key in caches if isinstance(key, tuple) and key[0] == "weights"]


def _size_bytes(values: Sequence[npt.NDArray[Any]]) -> int:
    return int(sum(value.nbytes for value in values))
