"""The artifact store: immutable blobs named by their SHA-256."""

import contextlib
import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import obstore
from obstore.exceptions import PermissionDeniedError

from convscope.store.errors import BlobDamagedError, OffsetError
from convscope.store.failpoints import failpoint
from convscope.store.objects import Objects
from convscope.store.timeouts import DEFAULT_TIMEOUTS, BlobTimeouts

__all__ = ["BlobStore", "StoredBlob"]

# Everything is below this folder of the URL.
FOLDER = "blobs"

# A digest that no blob has.
NOTHING = "0" * 64

# Bytes read at a time, and the most bytes of a piece: pieces of this size stream fastest.
RANGE, PIECE = 8 * 2**20, 2**20

# Paths of blobs; any other file in the folder is left alone.
PATH = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")

# Names of files in a folder that become blobs when they are written, as the store's library gives them.
STAGED = re.compile(r"[0-9a-f]{64}#[0-9]+")


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob in a listing: its SHA-256, when it was last written by the store's clock, its size in bytes."""

    digest: str
    written: datetime
    size: int


class BlobStore:
    """Blobs under one URL; safe to use from several threads.

    Args:
        url: ``file://`` (created if absent), ``s3://``, ``gs://`` or ``az://``; credentials come from the environment.
        timeouts: how long to wait for a remote store.

    Raises:
        BlobError: if the URL cannot be opened.
    """

    def __init__(self, url: str, timeouts: BlobTimeouts = DEFAULT_TIMEOUTS) -> None:
        self.objects = Objects(url, timeouts)
        self.url = self.objects.url
        self._store = self.objects.store
        self._translated = self.objects.translated

    def put(self, data: bytes) -> str:
        """Store bytes atomically, and return their SHA-256; call ``sync`` before anything refers to them.

        Bytes that are stored already are written again: the sweeper spares what was written recently.

        Raises:
            BlobError: if they cannot be stored (disk full, no permission, store unreachable).
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._translated("write"):
            obstore.put(self._store, _path(digest), data)
        if self.objects.disk:
            self.objects.disk.begin(_path(digest))
        failpoint("blobs.after_put")
        return digest

    def sync(self, digests: Collection[str]) -> None:
        """Wait until blobs outlast a machine that dies; those that another process has written are not waited for.

        Raises:
            BlobError: if the disk fails.
        """
        if self.objects.disk:
            with self._translated("write"):
                self.objects.disk.wait(map(_path, digests))

    def is_synced(self, digests: Collection[str], within_s: float) -> bool:
        """Return whether ``sync`` would take no longer than ``within_s`` seconds, after at most as long."""
        return self.objects.disk is None or self.objects.disk.is_done(map(_path, digests), within_s)

    def get(self, digest: str) -> bytes:
        """Return the bytes with a SHA-256.

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

    def pieces(self, digest: str, size: int, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a blob from an offset on, in pieces of at most a MiB; memory holds a few of them.

        The whole blob is read, so that its digest can be compared: the last piece comes only if the digest is right.
        Some pieces are empty, so that the caller gets control while bytes before the offset are read.

        Args:
            digest: SHA-256 of the whole.
            size: bytes of the whole.
            offset: number of bytes to skip at the start.

        Raises:
            OffsetError: if the offset lies beyond the end.
            BlobDamagedError: if the blob is missing, or does not have this digest and size.
            BlobError: if the store cannot be read.
        """
        if offset > size:
            raise OffsetError(f"{offset:,} lies beyond the end of a file of {size:,} bytes")
        held = b""
        for start, data in self._ranges(digest, size):
            yield held
            *pieces, held = _cut(data[max(0, offset - start) :])
            yield from pieces
        yield held

    def stored(self) -> Iterator[list[StoredBlob]]:
        """Yield all blobs, some hundred at a time.

        Raises:
            BlobError: if the store cannot be read.
        """
        for batch in self.objects.list(FOLDER):
            matches = [(PATH.fullmatch(stored.path), stored) for stored in batch]
            yield [StoredBlob(match[2], stored.written, stored.size) for match, stored in matches if match]

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

    def probe(self) -> None:
        """Check that the store answers, by asking for a blob that it does not have.

        Raises:
            BlobError: if it does not.
        """
        # A store that forbids listing reports what is missing as forbidden; that is an answer as well.
        with self._translated("reach"), contextlib.suppress(FileNotFoundError, PermissionDeniedError):
            obstore.head(self._store, _path(NOTHING))

    def delete(self, digests: Sequence[str]) -> None:
        """Delete blobs; missing ones are ignored.

        Raises:
            BlobError: if the store cannot be written.
        """
        self.objects.delete([_path(digest) for digest in digests])

    def remove_staged(self, oldest: datetime) -> int:
        """Remove what writers that died left of blobs in a folder; return how many they were.

        Args:
            oldest: what was written later is not removed; by the store's clock.

        Raises:
            BlobError: if the store cannot be written.
        """
        if not self.objects.disk:
            return 0
        with self._translated("delete"):
            return self.objects.disk.remove_staged(FOLDER, STAGED, oldest)

    def _ranges(self, digest: str, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield a blob in ranges, each with its offset; at the end, check size and digest of the whole.

        Raises:
            BlobDamagedError: if it is missing, or does not have this digest and size.
            BlobError: if the store cannot be read.
        """
        path, computed = _path(digest), hashlib.sha256()
        try:
            with self._translated("read"):
                if obstore.head(self._store, path)["size"] != size:
                    raise BlobDamagedError(f"artifact {digest} in {self.url} is damaged: its size is another")
            for start in range(0, size, RANGE):
                with self._translated("read"):
                    length = min(RANGE, size - start)
                    data = bytes(obstore.get_range(self._store, path, start=start, length=length))
                computed.update(data)
                yield start, data
        except FileNotFoundError as error:
            raise BlobDamagedError(f"artifact {digest} is missing from {self.url}") from error
        if computed.hexdigest() != digest:
            raise BlobDamagedError(f"artifact {digest} in {self.url} is damaged: its SHA-256 is another")


def _cut(data: bytes) -> list[bytes]:
    """Cut bytes into pieces; one empty piece if there are no bytes."""
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)] or [b""]


def _path(digest: str) -> str:
    return f"{FOLDER}/{digest[:2]}/{digest}"
