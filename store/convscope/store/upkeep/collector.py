"""Deletes the files of blobs that nothing refers to any more, and none that a job is about to refer to.

In three steps: condemned in Redis if nothing refers to it, deleted, struck off. A writer that wants to refer to a blob
which is condemned, or was struck off since it was written, is told so by the script, and writes it again.
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

# For how long a blob has been without references before it is condemned, in milliseconds: longer than what Redis loses
# when its machine dies (``appendfsync everysec``), so that no reference comes back to a file that is gone.
PATIENCE_MS: Final = 5_000

# Blobs that are condemned at once: as many as are deleted within a second, so that no writer waits for long.
BATCH: Final = 500

# Blobs that are deleted before it is asked once more whether they are still this process's. Asking and deleting
# are two steps: a process that is stopped between them, for longer than its lock lasts, deletes so many at most.
CHUNK: Final = 50

# Struck blobs that are remembered.
REMEMBERED: Final = 100_000

# References that are taken back in one step of Redis, which does nothing else meanwhile.
SLICE: Final = 500


class Collector:
    """Collects the garbage of one Redis and one artifact store; only one process at a time may run it: see ``Sweeper``.

    Args:
        connection: Redis.
        blobs: the artifact store.
        permit: called before every deletion; raises if nothing may be deleted.
        remembered: struck blobs that are remembered; who wrote a blob before one that is forgotten writes it again.
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
        """Take a slice off what was deleted, and delete the files of a batch; returns how many were deleted.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        self._scripts.run("take_apart", SLICE)
        return self.collect(patience_ms=patience_ms)

    def take_apart(self) -> None:
        """Take back all references of what was deleted."""
        while self._scripts.run("take_apart", SLICE):
            pass

    def pardon(self) -> None:
        """Give up what is condemned, because nothing may be deleted: those who want to refer to it must not wait."""
        self._scripts.run("pardon")

    def collect(self, orphans: Collection[str] = (), patience_ms: int = PATIENCE_MS) -> int:
        """Delete the files of a batch of blobs that nothing refers to.

        Args:
            orphans: digests that are stored, and to which nothing ever referred as far as is known.
            patience_ms: for how long the others have been without references, in milliseconds.

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
        """Delete the files of a batch, and strike off what is deleted.

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
        """Whether no other process has taken blobs of a batch over."""
        return set(self._redis.hmget(KEYS["condemned"], list(digests))) == {str(batch).encode()}

    def has_garbage(self) -> bool:
        """Whether there are blobs that have lost their last reference, or records to be taken apart."""
        return bool(self._redis.exists(KEYS["unreferenced"], KEYS["condemned"], KEYS["trash"]))
