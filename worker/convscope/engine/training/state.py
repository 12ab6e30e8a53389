"""The state of a training run as bytes: all that a step changes, and nothing that can be rebuilt.

The bytes are the SHA-256 of the rest, then an uncompressed NumPy archive (.npz) of the model's variables and those
of its optimizer: moments, step count, learning rate. ZIP's own checksums do not cover the headers; the SHA-256 does.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Final, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from convscope.engine.errors import ModelFileError

__all__ = ["restore_state", "state_to_bytes"]

Arrays: TypeAlias = Mapping[str, npt.NDArray[np.generic]]

_DIGEST_BYTES: Final = hashlib.sha256().digest_size


def state_to_bytes(model: keras.Model) -> bytes:
    """Return the values of the model's and its optimizer's variables; equal states give equal bytes."""
    archive = io.BytesIO()
    arrays = {name: variable.numpy() for name, variable in _variables(model).items()}
    np.savez(archive, allow_pickle=False, **arrays)
    content = archive.getvalue()
    return hashlib.sha256(content).digest() + content


def restore_state(model: keras.Model, data: bytes) -> None:
    """Restore the variables of a model and its optimizer.

    Args:
        model: of the same architecture, with its optimizer built.
        data: from ``state_to_bytes``.

    Raises:
        ModelFileError: if the bytes are damaged, or do not match the number, shapes or types of the variables; the
            model is not changed.
    """
    variables = _variables(model)
    arrays = _unpack(data)
    _check(variables, arrays)
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Name variables by their position: their paths can change when a model is loaded from its file."""
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {f"{group}{at}": variable for group, members in groups.items() for at, variable in enumerate(members)}


def _unpack(data: bytes) -> Arrays:
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ModelFileError("the training state is damaged or cut short: it does not match its checksum")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return dict(archive)
    except (zipfile.BadZipFile, TypeError, ValueError, EOFError, OSError) as error:
        raise ModelFileError(f"the training state is not an archive of arrays: {error}") from error


def _check(variables: Mapping[str, keras.Variable], arrays: Arrays) -> None:
    if variables.keys() != arrays.keys():
        raise ModelFileError(
            f"the training state is another model's: it has {len(arrays)} variables, the model {len(variables)}"
        )
    for name, variable in variables.items():
        stored, expected = _form(arrays[name]), _form(variable.numpy())
        if stored != expected:
            raise ModelFileError(f"the training state is another model's: {variable.path} is {expected}, not {stored}")


def _form(array: npt.NDArray[np.generic]) -> str:
    return f"{array.dtype.name} {list(array.shape)}"
