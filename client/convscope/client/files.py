"""The files that jobs leave."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from convscope.client import checks
from convscope.client.connection import Connection
from convscope.client.downloads import downloaded
from convscope.client.errors import NotFound
from convscope.client.exporting import save
from convscope.client.paging import pages
from convscope.client.resources import Digest
from convscope.client.times import time_from_wire
from convscope.v1 import files_pb2

__all__ = ["File", "listed_files", "read_file", "save_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a job. It never changes.

    Attributes:
        name: `jobs/{id}/files/{file}`, the last part percent-escaped.
        media_type: What is in it: `application/x-npy`, `application/json`, ...
        digest: Its bytes.
        create_time: When it was complete, UTC.
    """

    name: str
    media_type: str
    digest: Digest
    create_time: datetime

    @property
    def basename(self) -> str:
        """Its name among the job's files, as `confusion-matrix.npy`."""
        return unquote(self.name.rpartition("/")[2])

    @classmethod
    def from_wire(cls, message: files_pb2.File) -> "File":
        """The file of a message."""
        return cls(
            name=message.name,
            media_type=message.media_type,
            digest=Digest(sha256=message.digest.sha256, size_bytes=message.digest.size_bytes),
            create_time=time_from_wire(message.create_time),
        )


def listed_files(connection: Connection, job: str) -> Iterator[File]:
    """The files of the job of this name that are complete, by name."""
    found = pages(connection, connection.files.ListFiles, files_pb2.ListFilesRequest(parent=job))
    return (File.from_wire(message) for page in found for message in page.files)


def read_file(connection: Connection, job: str, file: str) -> bytes:
    """The bytes of a file of a job.

    Args:
        connection: To the server.
        job: `jobs/{id}`.
        file: Its name, with the job's in front or bare.

    Raises:
        NotFound: There is no such job, or it has no such file.
        DataLoss: The stored file is missing or damaged, or what arrived is.
    """
    return b"".join(_pieces(connection, job, file))


def save_file(connection: Connection, job: str, file: str, path: Path) -> Path:
    """Saves a file of a job as `read_file` reads it; it appears at `path` only when it is whole.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    return save(_pieces(connection, job, file), path)


def _pieces(connection: Connection, job: str, file: str) -> Iterator[bytes]:
    wanted = _find(connection, job, checks.text("file", file))

    def start(offset: int) -> Generator[files_pb2.ReadFileResponse]:
        request = files_pb2.ReadFileRequest(name=wanted.name, offset=offset)
        return connection.stream(connection.files.ReadFile, request)

    return downloaded(connection, start, wanted.basename, wanted.digest.sha256)


def _find(connection: Connection, job: str, file: str) -> File:
    for found in listed_files(connection, job):
        if file in {found.name, found.basename}:
            return found
    raise NotFound(f"{job} has no file {file!r}")
