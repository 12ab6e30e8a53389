"""Saving a model, or any stream of bytes, under its name only when it is whole."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from convscope.client.connection import Connection
from convscope.client.errors import DataLoss
from convscope.client.paging import pages
from convscope.v1 import models_pb2

__all__ = ["blaming", "export_model", "save", "umask"]


def export_model(connection: Connection, name: str, path: Path) -> Path:
    """Saves the file of a model.

    Raises:
        DataLoss: The stored file is missing or damaged, or what arrived is.
        OSError: The folder does not exist or cannot be written.
    """
    request = models_pb2.ExportModelRequest(name=name)
    sha256 = _sha256(connection, name)
    with closing(connection.stream(connection.models.ExportModel, request)) as pieces:
        save((piece.data for piece in pieces), path, sha256)
    return path


def save(pieces: Iterable[bytes], path: Path, sha256: str) -> None:
    """Writes the pieces to a temporary file beside `path`, checks its SHA-256 and renames it.

    Raises:
        DataLoss: The bytes do not have this SHA-256; whatever was at `path` is left as it was.
        OSError: The folder does not exist or cannot be written.
    """
    with blaming(path):
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            raise DataLoss(f"{path.name}: the bytes received have SHA-256 {digest.hexdigest()}, not {sha256}")
        Path(temporary).chmod(0o666 & ~umask())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _sha256(connection: Connection, name: str) -> str:
    """The SHA-256 of a model's file; from the list, which needs no history, where the history is damaged."""
    try:
        return connection.call(connection.models.GetModel, models_pb2.GetModelRequest(name=name)).sha256
    except DataLoss:
        found = pages(connection, connection.models.ListModels, models_pb2.ListModelsRequest())
        return next((model.sha256 for page in found for model in page.models if model.name == name), "")


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Has errors of the file system name this path, which the user knows, and not a temporary one beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def umask() -> int:
    """What a file made in the ordinary way lacks; mkstemp makes private ones."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
