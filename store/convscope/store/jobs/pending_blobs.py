"""Blobs that an attempt has written and does not refer to yet."""

import time
from collections.abc import Collection

import redis

from convscope.store.blobs import BlobStore
from convscope.store.errors import BlobError
from convscope.store.redis.keys import KEYS
from convscope.store.redis.scripts import BlobsGone

__all__ = ["PendingBlobs"]

# How often to check whether condemned blobs are struck off, and for how long at most, in seconds. A batch is deleted
# within a second; if the collector dies during one, its successor takes seconds to start.
POLL_S = 0.02
PATIENCE_S = 60.0


class PendingBlobs:
    """Blobs that an attempt has written, kept until it refers to them.

    Before that the collector may delete a blob that others no longer refer to. Then the script that would refer to it
    reports it, and it is written again.

    Args:
        connection: Redis.
        blobs: the artifact store.
        batch: number of the newest batch of condemned blobs.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore, batch: int) -> None:
        self._redis = connection
        self._blobs = blobs
        self._data: dict[str, tuple[int, bytes]] = {}
        self.batch = batch

    def put(self, data: bytes) -> str:
        """Write a blob and return its SHA-256 in hexadecimal.

        Raises:
            BlobError: if it cannot be stored.
        """
        batch = self.batch  # before the write
        digest = self._blobs.put(data)
        self._data.setdefault(digest, (batch, data))
        return digest

    def sync(self, digests: Collection[str]) -> None:
        """Wait until blobs outlast a machine that dies.

        Raises:
            BlobError: if the disk fails.
        """
        self._blobs.sync(digests)

    def is_synced(self, digests: Collection[str], within_s: float) -> bool:
        """Return whether ``sync`` would take no longer than ``within_s`` seconds, after at most as long."""
        return self._blobs.is_synced(digests, within_s)

    def since(self, digests: list[str]) -> int:
        """Return the number of the newest batch when the first of these blobs was written."""
        return min((self._data[digest][0] for digest in digests if digest in self._data), default=self.batch)

    def rewrite(self, gone: BlobsGone) -> None:
        """Write deleted blobs again.

        Raises:
            BlobError: if they cannot be stored, or are not struck off in time.
        """
        digests = list(gone.digests)
        deadline = time.monotonic() + PATIENCE_S
        while any(self._redis.hmget(KEYS["condemned"], digests)):
            if time.monotonic() > deadline:
                raise BlobError(f"artifacts are about to be deleted for {PATIENCE_S:.0f} s: {', '.join(digests)}")
            time.sleep(POLL_S)
        self.batch = int(self._redis.get(KEYS["batch"]) or 0)
        for digest in digests:
            if digest not in self._data:
                raise BlobError(f"artifact {digest} was deleted before it was referred to")
            data = self._data.pop(digest)[1]
            self.put(data)

    def forget(self, digests: list[str]) -> None:
        """Forget blobs that are referred to now."""
        for digest in digests:
            self._data.pop(digest, None)
