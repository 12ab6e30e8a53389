"""Models of Keras files whose compiled functions are kept, and shared by all files of one architecture."""

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
    """Something that is made once for all models of an architecture."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, in bytes, by estimate."""

    def weights_changed(self) -> None:
        """Forget what follows from the weights' values."""


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
    """One model in memory that has the weights of one file after another, and what is compiled for it."""

    def __init__(self, model: keras.Model, sha256: str) -> None:
        self._model = model
        self._sha256 = sha256  # of the file whose weights the model has; empty while they are mixed
        self._shared: dict[Callable[[keras.Model], Any], Any] = {}

    @property
    def size_bytes(self) -> int:
        shared: int = sum(each.size_bytes for each in self._shared.values())
        return _size_bytes(self._values()) + shared

    def read(self, sha256: str, file: KerasFile) -> Sequence[npt.NDArray[Any]]:
        """Return the values of a file's weights, which the model has from now on."""
        if sha256 != self._sha256:
            self._sha256 = ""
            file.load_into(self._model)
            self._changed(sha256)
        return self._values()

    def take(self, sha256: str, values: Sequence[npt.NDArray[Any]]) -> None:
        """Give the model the weights of a file, unless it has them."""
        if sha256 == self._sha256:
            return
        self._sha256 = ""
        for variable, value in zip(self._model.variables, values, strict=True):
            variable.assign(value)
        self._changed(sha256)

    def shared(self, make: Callable[[keras.Model], Value]) -> Value:
        """Return what is made of the model, once."""
        if make not in self._shared:
            self._shared[make] = make(self._model)
        value: Value = self._shared[make]
        return value

    def _values(self) -> list[npt.NDArray[Any]]:
        return [variable.numpy() for variable in self._model.variables]

    def _changed(self, sha256: str) -> None:
        self._sha256 = sha256
        for each in self._shared.values():
            each.weights_changed()


class ModelFile:
    """A Keras file whose model is loaded when it is used, unless the caches have it.

    Args:
        sha256: the digest of the file, which names it in the caches.
        read: returns the file's bytes; called only where they are needed.
        caches: what the process keeps.
    """

    def __init__(self, sha256: str, read: Callable[[], bytes], caches: Caches) -> None:
        self._sha256 = sha256
        self._read = read
        self._caches = caches

    def clear_caches(self) -> None:
        """Evict everything that is kept, of other models as well, to make room."""
        self._caches.clear()

    def shared(self, make: Callable[[keras.Model], Value]) -> Value:
        """Return what ``make`` makes of the model, which has this file's weights until another file is used.

        To be called before each use. It is made once for all files of the architecture, and must follow the weights.

        Raises:
            ModelFileError: if the file cannot be used.
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
