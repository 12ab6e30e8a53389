"""Deletes the files of blobs that nothing refers to any more, and none that a job is about to refer to.

A blob that nothing refers to is condemned in Redis, then its file is deleted, then it is struck off. If a writer is
about to refer to a condemned blob, or one that was struck off since it was written, the script refuses, and the writer
writes the blob again.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final

import redis

from convscope.store.blobs import BlobStore
from convscope.store.errors import DeletionOffError
from convscope.store.failpoints import failpoint
from convscope.store.redis.keys import KEYS
from convscope.store.redis.scripts import Scripts, listed

__all__ = ["Collector"]

log = logging.getLogger(__name__)

# How long a blob must be without references before it is condemned, in milliseconds: longer than what Redis loses when
# its machine dies (``appendfsync everysec``), so that no reference to a deleted file comes back.
PATIENCE_MS: Final = 5_000

# Blobs to condemn at once: as many as are deleted within a second, so that no writer waits long.
BATCH: Final = 500

# Blobs to delete before checking again whether they still belong to this process. Checking and deleting are two steps:
# a process that is stopped between them for longer than its lock lasts deletes at most this many.
CHUNK: Final = 50

# How many struck blobs to remember.
REMEMBERED: Final = 100_000

# References to release in one script, during which Redis does nothing else.
SLICE: Final = 500


class Collector:
    """Collects the garbage of one Redis and one artifact store; only one process at a time may run it: see ``Sweeper``.

    Args:
        connection: Redis.
        blobs: the artifact store.
        permit: called before every deletion; raises if nothing may be deleted.
        remembered: number of struck blobs to remember; writers must write again blobs older than the forgotten ones.
    """

    def __init__(
        self,
        connection: redis.Redis,
        blobs: BlobStore,
        permit: Callable[[], object] = lambda: None,
        remembered: int = REMEMBERED,
    ) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)
        self._blobs = blobs
        self._permit = permit
        self._remembered = remembered

    def tick(self, patience_ms: int = PATIENCE_MS) -> int:
        """Release some references of deleted records, and delete the files of a batch; return how many were deleted.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        self._scripts.run("take_apart", SLICE)
        return self.collect(patience_ms=patience_ms)

    def take_apart(self, pulse: Callable[[], object] = lambda: None) -> None:
        """Release all references of deleted records.

        Args:
            pulse: called after each slice; an exception ends the work.
        """
        while self._scripts.run("take_apart", SLICE):
            pulse()

    def pardon(self) -> None:
        """Release condemned blobs, because nothing may be deleted: writers must not wait for them."""
        self._scripts.run("pardon")

    def collect(self, orphans: Collection[str] = (), patience_ms: int = PATIENCE_MS) -> int:
        """Delete the files of a batch of blobs that nothing refers to.

        Args:
            orphans: digests of stored blobs that have never been referred to, as far as is known.
            patience_ms: how long other blobs must be without references, in milliseconds.

        Returns:
            How many files were deleted.

        Raises:
            DeletionOffError: if nothing may be deleted, or another process has taken that over.
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        if not orphans and not self.has_garbage():
            return 0
        self._permit()
        batch, *digests = self._scripts.run("condemn", patience_ms, BATCH, *listed(orphans)) or [0]
        if digests:
            self._permit()  # another process may have deleted these meanwhile, and others have written them again
            failpoint("collect.before_delete")
            self._delete(batch, [digest.decode() for digest in digests])
            log.info("deleted %d blobs that nothing refers to", len(digests))
        return len(digests)

    def _delete(self, batch: int, digests: Sequence[str]) -> None:
        """Delete the files of a batch, and strike them off.

        Raises:
            DeletionOffError: if another process takes the batch over meanwhile; it deletes what is left.
        """
        deleted: list[str] = []
        while (chunk := digests[len(deleted) :][:CHUNK]) and self._holds(batch, chunk):
            self._blobs.delete(chunk)
            deleted += chunk
        failpoint("collect.after_delete")
        if in_use := self._scripts.run("strike_off", batch, self._remembered, *listed(deleted)):
            log.error("%d files may have been deleted that are in use: this process had been stopped for long", in_use)
        if len(deleted) < len(digests):
            raise DeletionOffError("nothing more is deleted: another process has taken that over")

    def _holds(self, batch: int, digests: Sequence[str]) -> bool:
        """Return whether no other process has taken over blobs of a batch."""
        return set(self._redis.hmget(KEYS["condemned"], list(digests))) == {str(batch).encode()}

    def has_garbage(self) -> bool:
        """Return whether there are blobs without references, or references of deleted records to release."""
        return bool(self._redis.exists(KEYS["unreferenced"], KEYS["condemned"], KEYS["trash"]))
