"""Files of jobs."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from convscope.client.resources import Digest
from convscope.client.times import time_from_wire
from convscope.v1 import files_pb2

__all__ = ["File"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a job. It never changes.

    Attributes:
        name: ``jobs/{id}/files/{file}``, the last part percent-escaped.
        media_type: What is in it: ``application/x-npy``, ``application/json``, ...
        digest: Its bytes.
        create_time: When it was complete, UTC.
    """

    name: str
    media_type: str
    digest: Digest
    create_time: datetime

    @property
    def basename(self) -> str:
        """Its name among the job's files, as ``confusion-matrix.npy``."""
        return unquote(self.name.rpartition("/")[2])

    @classmethod
    def from_wire(cls, message: files_pb2.File) -> "File":
        """Return the file of a message."""
        return cls(
            name=message.name,
            media_type=message.media_type,
            digest=Digest.from_wire(message.digest),
            create_time=time_from_wire(message.create_time),
        )
