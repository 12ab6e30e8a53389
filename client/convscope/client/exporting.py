"""Saving a model, or any stream of bytes, under its name only when it is whole."""

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from convscope.client.connection import Connection
from convscope.client.downloads import downloaded
from convscope.client.errors import ConvscopeError
from convscope.v1 import models_pb2

__all__ = ["blaming", "export_model", "save", "umask", "written"]


def export_model(connection: Connection, name: str, path: Path) -> Path:
    """Saves the file of a model.

    Raises:
        DataLoss: The stored file is missing or damaged, or what arrived is.
        OSError: The folder does not exist or cannot be written.
    """

    def start(offset: int) -> Generator[models_pb2.ExportModelResponse]:
        request = models_pb2.ExportModelRequest(name=name, offset=offset)
        return connection.stream(connection.models.ExportModel, request)

    return save(downloaded(connection, start, path.name, _sha256(connection, name)), path)


def save(pieces: Iterator[bytes], path: Path) -> Path:
    """Writes the pieces to a file, which appears when all have come.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    with written(path) as file:
        for piece in pieces:
            file.write(piece)
    return path


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which is at `path` only when the block has ended well; until then whatever was there stays.

    A device or a pipe is written as it is: there is nothing to be kept, and it is not to be replaced.

    Raises:
        OSError: It cannot be written, or the disk is full.
    """
    with blaming(path):
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
            return
        target = path.resolve()  # a link stays a link
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o666 & ~umask())
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _sha256(connection: Connection, name: str) -> str:
    """The SHA-256 of a model's file."""
    request = models_pb2.GetModelRequest(name=name, view=models_pb2.MODEL_VIEW_BASIC)
    return connection.call(connection.models.GetModel, request).digest.sha256


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Has errors of the file system name this path, which the user knows, not a temporary one beside it or none."""
    try:
        yield
    except ConvscopeError:  # a deadline is an OSError too
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def umask() -> int:
    """What a file made in the ordinary way lacks; mkstemp makes private ones."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
