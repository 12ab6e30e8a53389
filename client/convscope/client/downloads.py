# Made by scripts/sync_client.py from aio/downloads.py: change that one, and run the script.

"""Downloads of files, which survive broken connections."""

import hashlib
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Protocol

from convscope.client import checks
from convscope.client.connection import Connection
from convscope.client.errors import DataLoss, NotFound, Unavailable
from convscope.client.files import File
from convscope.client.listings import listed_files
from convscope.client.outages import Outage
from convscope.client.runtime import blocking_context, run_blocking
from convscope.client.saving import atomic_write
from convscope.client.watching import wait_out
from convscope.v1 import files_pb2, models_pb2

__all__ = ["export_model", "read_file", "save_file"]


class _Piece(Protocol):
    data: bytes


def read_file(connection: Connection, job: str, file: str) -> bytes:
    """Return the bytes of a file of a job.

    Args:
        connection: To the server.
        job: ``jobs/{id}``.
        file: Name of the file, with the job's name in front or bare.

    Raises:
        NotFound: There is no such job, or it has no such file.
        DataLoss: The stored file is missing or damaged, or what arrived is.
    """
    entry = _find(connection, job, checks.text("file", file))
    return b"".join(list(_file_pieces(connection, entry)))


def save_file(connection: Connection, job: str, file: str, path: Path | None) -> Path:
    """Save a file of a job as ``read_file`` reads it; it appears at ``path`` only when it is whole.

    Args:
        connection: To the server.
        job: ``jobs/{id}``.
        file: Name of the file, with the job's name in front or bare.
        path: Where to save it. Default: under the file's name in the current folder.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    entry = _find(connection, job, checks.text("file", file))
    return _save(_file_pieces(connection, entry), path or Path(Path(entry.basename).name))


def export_model(connection: Connection, name: str, path: Path) -> Path:
    """Save the file of a model.

    Raises:
        DataLoss: The stored file is missing or damaged, or what arrived is.
        OSError: The folder does not exist or cannot be written.
    """

    def start(offset: int) -> Generator[models_pb2.ExportModelResponse]:
        request = models_pb2.ExportModelRequest(name=name, offset=offset)
        return connection.stream(connection.models.ExportModel, request)

    request = models_pb2.GetModelRequest(name=name, view=models_pb2.MODEL_VIEW_BASIC)
    model = connection.call(connection.models.GetModel, request)
    return _save(_downloaded(connection, start, path.name, model.digest.sha256), path)


def _file_pieces(connection: Connection, file: File) -> Generator[bytes]:
    def start(offset: int) -> Generator[files_pb2.ReadFileResponse]:
        request = files_pb2.ReadFileRequest(name=file.name, offset=offset)
        return connection.stream(connection.files.ReadFile, request)

    return _downloaded(connection, start, file.basename, file.digest.sha256)


def _find(connection: Connection, job: str, file: str) -> File:
    for entry in listed_files(connection, job):
        if file in {entry.name, entry.basename}:
            return entry
    raise NotFound(f"{job} has no file {file!r}")


def _save(pieces: Generator[bytes], path: Path) -> Path:
    """Write the pieces to a file, which appears when all have come.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    with closing(pieces), blocking_context(atomic_write(path)) as file:
        for piece in pieces:
            run_blocking(file.write, piece)
    return path


def _downloaded(
    connection: Connection, start: Callable[[int], Generator[_Piece]], title: str, sha256: str
) -> Generator[bytes]:
    """Yield the pieces of a file; a connection that breaks is opened again, and the download continues where it broke.

    Args:
        connection: To the server.
        start: Starts reading at an offset, in bytes.
        title: What the file is called in messages.
        sha256: Its SHA-256.

    Raises:
        DataLoss: The bytes do not have this SHA-256.
        Unavailable: The server could not be reached at first, or later for as long as the configured patience.
        ServiceError: Any other refusal.
    """
    outage, digest, received = Outage(connection.config.patience), hashlib.sha256(), 0
    while True:
        try:
            with closing(start(received)) as pieces:
                for piece in pieces:
                    outage.over()
                    received += len(piece.data)
                    run_blocking(digest.update, piece.data)
                    yield piece.data
            break
        except Unavailable as error:
            if not received:
                raise
            wait_out(outage, error)
    if digest.hexdigest() != sha256:
        raise DataLoss(f"{title}: the bytes received have SHA-256 {digest.hexdigest()}, not {sha256}")
