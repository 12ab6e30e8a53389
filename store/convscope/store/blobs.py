"""The artifact store: immutable blobs named by their SHA-256."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from convscope.store.errors import BlobDamagedError, BlobError
from convscope.store.failpoints import failpoint
from convscope.store.urls import redact

__all__ = ["BlobStore", "StoredBlob"]

# Everything is below this folder of the URL.
FOLDER = "blobs"


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What a listing tells of a blob: its SHA-256, and when it was last written."""

    digest: str
    written: datetime


class BlobStore:
    """Blobs under one URL; safe to use from several threads.

    Args:
        url: ``file://`` (made if absent), ``s3://``, ``gs://`` or ``az://``; credentials come from the environment.

    Raises:
        BlobError: if the URL cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.url = redact(url)  # to be shown
        with self._translated("open"):
            self._store = from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)

    def put(self, data: bytes) -> str:
        """Store bytes and return their SHA-256 in hexadecimal. They appear whole or not at all.

        What is stored already is written once more: the sweeper spares what was written lately.

        Raises:
            BlobError: if they cannot be stored (disk full, no permission, store unreachable).
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._translated("write"):
            obstore.put(self._store, _path(digest), data)
        failpoint("blobs.after_put")
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a SHA-256.

        Raises:
            BlobDamagedError: if they are missing or do not have this digest.
            BlobError: if the store cannot be read.
        """
        try:
            with self._translated("read"):
                data = bytes(obstore.get(self._store, _path(digest)).bytes())
        except FileNotFoundError as error:
            raise BlobDamagedError(f"artifact {digest} is missing from {self.url}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobDamagedError(f"artifact {digest} in {self.url} is damaged: its SHA-256 is another")
        return data

    def stored(self) -> Iterator[list[StoredBlob]]:
        """Yield everything that is stored, some hundred blobs at a time.

        Raises:
            BlobError: if the store cannot be read.
        """
        with self._translated("list"):
            for batch in obstore.list(self._store, prefix=FOLDER):
                yield [StoredBlob(PurePosixPath(meta["path"]).name, meta["last_modified"]) for meta in batch]

    def written(self, digest: str) -> datetime | None:
        """Return when a blob was last written; None if it is missing.

        Raises:
            BlobError: if the store cannot be read.
        """
        try:
            with self._translated("read"):
                written: datetime = obstore.head(self._store, _path(digest))["last_modified"]
        except FileNotFoundError:
            return None
        return written

    def delete(self, digests: Sequence[str]) -> None:
        """Delete blobs; those that are missing do no harm.

        Raises:
            BlobError: if the store cannot be written.
        """
        with self._translated("delete"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, [_path(digest) for digest in digests])

    @contextlib.contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            # The first paragraph says what happened; what follows is the library's debugging output.
            reason = str(error).split("\n\n", maxsplit=1)[0]
            raise BlobError(f"cannot {verb} artifacts in {self.url}: {reason}") from error


def _path(digest: str) -> str:
    return f"{FOLDER}/{digest[:2]}/{digest}"
