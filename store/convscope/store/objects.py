"""Objects in the artifact store by path; this module and ``blobs`` alone call the store's library."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from convscope.store.disk import Disk
from convscope.store.errors import BlobError
from convscope.store.timeouts import DEFAULT_TIMEOUTS, BlobTimeouts, store_options
from convscope.store.urls import redact, redact_text

__all__ = ["Objects", "StoredObject"]

# Written to read the store's clock; it has no content.
CLOCK = "deployment/clock"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing: its path, when it was last written by the store's clock, its size in bytes."""

    path: str
    written: datetime
    size: int


class Objects:
    """All objects below one URL; safe to use from several threads.

    Args:
        url: ``file://`` (created if absent), ``s3://``, ``gs://`` or ``az://``; credentials come from the environment.
        timeouts: how long to wait for a remote store.

    Raises:
        BlobError: if the URL cannot be opened.
    """

    def __init__(self, url: str, timeouts: BlobTimeouts = DEFAULT_TIMEOUTS) -> None:
        self.url, self._secret_url = redact(url), url  # the former for messages
        with self.translated("open"):
            self.store = _opened(url, timeouts)
        # Remote stores keep what they have accepted.
        self.disk = Disk(Path(self.store.prefix)) if url.startswith("file:") else None

    def put(self, path: str, data: bytes) -> None:
        """Write an object, whether it exists or not; it outlasts a machine that dies.

        Raises:
            BlobError: if it cannot be written.
        """
        with self.translated("write"):
            obstore.put(self.store, path, data)
            if self.disk:
                self.disk.write_through(path)

    def create(self, path: str, data: bytes) -> bool:
        """Write an object unless it exists; one of several writers succeeds. It outlasts a machine that dies.

        Returns:
            Whether it was written.

        Raises:
            BlobError: if it cannot be written.
        """
        try:
            with self.translated("write"):
                obstore.put(self.store, path, data, mode="create")
                if self.disk:
                    self.disk.write_through(path)
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
        """Yield the objects in a folder and below it, some hundred at a time.

        Raises:
            BlobError: if the store cannot be read.
        """
        with self.translated("list"):
            for batch in obstore.list(self.store, prefix=folder):
                yield [StoredObject(meta["path"], meta["last_modified"], meta["size"]) for meta in batch]

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; missing ones are ignored.

        Raises:
            BlobError: if the store cannot be written.
        """
        with self.translated("delete"):
            try:
                obstore.delete(self.store, list(paths))
            except FileNotFoundError:  # in a folder, the first that is missing ends the deletion of all
                for path in paths:
                    with contextlib.suppress(FileNotFoundError):
                        obstore.delete(self.store, path)

    def now(self) -> datetime:
        """Return the time by the store's clock, with which objects' times must be compared.

        Raises:
            BlobError: if the store cannot be written.
        """
        self.put(CLOCK, b"")
        with self.translated("read"):
            written: datetime = obstore.head(self.store, CLOCK)["last_modified"]
        return written

    @contextlib.contextmanager
    def translated(self, verb: str) -> Iterator[None]:
        """Turn the library's errors into ``BlobError``, ``FileNotFoundError`` and ``FileExistsError``."""
        try:
            yield
        except FileNotFoundError:
            raise
        except AlreadyExistsError as error:
            raise FileExistsError(str(error)) from error
        except (BaseError, OSError) as error:
            # The first paragraph says what happened; debugging output of the library follows.
            paragraph = str(error).split("\n\n", maxsplit=1)[0]
            reason = redact_text(paragraph.replace(self._secret_url, self.url))
            hint = " (CONVSCOPE_ARTIFACTS_URL)" if verb == "open" else ""
            # A traceback shows the text of the cause.
            raise BlobError(f"cannot {verb} artifacts in {self.url}{hint}: {reason}") from (
                error if reason == paragraph else None
            )


def _opened(url: str, timeouts: BlobTimeouts) -> Any:
    return from_url(url, mkdir=True) if url.startswith("file:") else from_url(url, **store_options(url, timeouts))
