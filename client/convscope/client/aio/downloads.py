"""Downloads of files, which survive broken connections."""

import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from convscope.client import checks
from convscope.client.aio.connection import AsyncConnection
from convscope.client.aio.listings import listed_files
from convscope.client.aio.runtime import blocking_context, run_blocking
from convscope.client.aio.watching import wait_out
from convscope.client.errors import DataLoss, NotFound, Unavailable
from convscope.client.files import File
from convscope.client.outages import Outage
from convscope.client.saving import atomic_write
from convscope.v1 import files_pb2, models_pb2

__all__ = ["export_model", "read_file", "save_file"]


class _Piece(Protocol):
    data: bytes


async def read_file(connection: AsyncConnection, job: str, file: str) -> bytes:
    """Return the bytes of a file of a job.

    Args:
        connection: To the server.
        job: ``jobs/{id}``.
        file: Name of the file, with the job's name in front or bare.

    Raises:
        NotFound: There is no such job, or it has no such file.
        DataLoss: The stored file is missing or damaged, or what arrived is.
    """
    entry = await _find(connection, job, checks.text("file", file))
    return b"".join([piece async for piece in _file_pieces(connection, entry)])


async def save_file(connection: AsyncConnection, job: str, file: str, path: Path | None) -> Path:
    """Save a file of a job as ``read_file`` reads it; it appears at ``path`` only when it is whole.

    Args:
        connection: To the server.
        job: ``jobs/{id}``.
        file: Name of the file, with the job's name in front or bare.
        path: Where to save it. Default: under the file's name in the current folder.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    entry = await _find(connection, job, checks.text("file", file))
    return await _save(_file_pieces(connection, entry), path or Path(Path(entry.basename).name))


async def export_model(connection: AsyncConnection, name: str, path: Path) -> Path:
    """Save the file of a model.

    Raises:
        DataLoss: The stored file is missing or damaged, or what arrived is.
        OSError: The folder does not exist or cannot be written.
    """

    def start(offset: int) -> AsyncGenerator[models_pb2.ExportModelResponse]:
        request = models_pb2.ExportModelRequest(name=name, offset=offset)
        return connection.stream(connection.models.ExportModel, request)

    request = models_pb2.GetModelRequest(name=name, view=models_pb2.MODEL_VIEW_BASIC)
    model = await connection.call(connection.models.GetModel, request)
    return await _save(_downloaded(connection, start, path.name, model.digest.sha256), path)


def _file_pieces(connection: AsyncConnection, file: File) -> AsyncGenerator[bytes]:
    def start(offset: int) -> AsyncGenerator[files_pb2.ReadFileResponse]:
        request = files_pb2.ReadFileRequest(name=file.name, offset=offset)
        return connection.stream(connection.files.ReadFile, request)

    return _downloaded(connection, start, file.basename, file.digest.sha256)


async def _find(connection: AsyncConnection, job: str, file: str) -> File:
    async for entry in listed_files(connection, job):
        if file in {entry.name, entry.basename}:
            return entry
    raise NotFound(f"{job} has no file {file!r}")


async def _save(pieces: AsyncGenerator[bytes], path: Path) -> Path:
    """Write the pieces to a file, which appears when all have come.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    async with aclosing(pieces), blocking_context(atomic_write(path)) as file:
        async for piece in pieces:
            await run_blocking(file.write, piece)
    return path


async def _downloaded(
    connection: AsyncConnection, start: Callable[[int], AsyncGenerator[_Piece]], title: str, sha256: str
) -> AsyncGenerator[bytes]:
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
            async with aclosing(start(received)) as pieces:
                async for piece in pieces:
                    outage.over()
                    received += len(piece.data)
                    await run_blocking(digest.update, piece.data)
                    yield piece.data
            break
        except Unavailable as error:
            if not received:
                raise
            await wait_out(outage, error)
    if digest.hexdigest() != sha256:
        raise DataLoss(f"{title}: the bytes received have SHA-256 {digest.hexdigest()}, not {sha256}")
