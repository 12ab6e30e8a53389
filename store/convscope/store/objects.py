"""Objects in the artifact store by their path: the one place that speaks to the store's library."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from convscope.store.errors import BlobError
from convscope.store.timeouts import DEFAULT_TIMEOUTS, BlobTimeouts, store_options
from convscope.store.urls import redact

__all__ = ["Objects", "StoredObject"]

# Written to learn the store's time; it has no content.
CLOCK = "deployment/clock"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing tells of an object: its path, when it was last written by the store's clock, its size in bytes."""

    path: str
    written: datetime
    size: int


class Objects:
    """Everything below one URL; safe to use from several threads.

    Args:
        url: ``file://`` (made if absent), ``s3://``, ``gs://`` or ``az://``; credentials come from the environment.
        timeouts: how long a remote store is waited for.

    Raises:
        BlobError: if the URL cannot be opened.
    """

    def __init__(self, url: str, timeouts: BlobTimeouts = DEFAULT_TIMEOUTS) -> None:
        self.url = redact(url)  # to be shown
        with self.translated("open"):
            self.store = _opened(url, timeouts)

    def put(self, path: str, data: bytes) -> None:
        """Write an object, whether it exists or not.

        Raises:
            BlobError: if it cannot be written.
        """
        with self.translated("write"):
            obstore.put(self.store, path, data)

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless it exists; of several writers at once one succeeds.

        Returns:
            Whether it was written.

        Raises:
            BlobError: if it cannot be written.
        """
        try:
            with self.translated("write"):
                obstore.put(self.store, path, data, mode="create")
        except FileExistsError:
            return False
        return True

    def get(self, path: str) -> bytes | None:
        """Return the bytes of an object; None if it is missing.

        Raises:
            BlobError: if the store cannot be read.
        """
        try:
            with self.translated("read"):
                return bytes(obstore.get(self.store, path).bytes())
        except FileNotFoundError:
            return None

    def list(self, folder: str) -> Iterator[Sequence[StoredObject]]:
        """Yield what is in a folder and below it, some hundred objects at a time.

        Raises:
            BlobError: if the store cannot be read.
        """
        with self.translated("list"):
            for batch in obstore.list(self.store, prefix=folder):
                yield [StoredObject(meta["path"], meta["last_modified"], meta["size"]) for meta in batch]

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; those that are missing do no harm.

        Raises:
            BlobError: if the store cannot be written.
        """
        with self.translated("delete"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, list(paths))

    def now(self) -> datetime:
        """Return the time by the store's clock, which is what objects' times are to be compared with.

        Raises:
            BlobError: if the store cannot be written.
        """
        self.put(CLOCK, b"")
        with self.translated("read"):
            written: datetime = obstore.head(self.store, CLOCK)["last_modified"]
        return written

    @contextlib.contextmanager
    def translated(self, verb: str) -> Iterator[None]:
        """Turn the library's errors into BlobError, but for FileNotFoundError and FileExistsError."""
        try:
            yield
        except FileNotFoundError:
            raise
        except AlreadyExistsError as error:
            raise FileExistsError(str(error)) from error
        except (BaseError, OSError) as error:
            # The first paragraph says what happened; what follows is the library's debugging output.
            reason = str(error).split("\n\n", maxsplit=1)[0]
            raise BlobError(f"cannot {verb} artifacts in {self.url}: {reason}") from error


def _opened(url: str, timeouts: BlobTimeouts) -> Any:
    return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url, **store_options(url, timeouts))
