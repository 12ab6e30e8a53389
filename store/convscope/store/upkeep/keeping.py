"""Keeps Redis and the artifact store consistent: identity, epoch, and missing manifests."""

import logging
from time import monotonic

import redis

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Deployment
from convscope.store.errors import BlobError, DeletionOffError, LayoutError
from convscope.store.model_manifests import ModelManifests
from convscope.store.redis.keys import KEYS

__all__ = ["Keeper"]

log = logging.getLogger(__name__)

# How often both sides are checked, in seconds.
PERIOD_S = 60.0

# How often the epoch is advanced, in seconds: an older backup of Redis is recognized.
EPOCH_PERIOD_S = 300

# How long to wait for Redis' disk between two tries to advance, in seconds.
RETRY_S = 0.5


class Keeper:
    """Keeps one Redis and one artifact store consistent; any number may run.

    Args:
        connection: Redis.
        blobs: the artifact store.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore) -> None:
        self._redis = connection
        self._manifests = ModelManifests(connection, blobs)
        self.deployment = Deployment(connection, blobs.objects)
        self._reported = ""
        self._next = 0.0
        self._advancing = True  # once at first: a backup from before the start of this process is recognized, too
        self._deletes = False

    def tick(self) -> bool:
        """Check both sides, if it is time; return whether files may be deleted.

        Raises:
            redis.RedisError: if Redis does not answer.
        """
        if monotonic() < self._next:
            return self._deletes
        self._next, self._deletes = monotonic() + PERIOD_S, False
        try:
            self._deletes = self._keep()
        except (BlobError, LayoutError, DeletionOffError) as error:
            self._report(str(error))
        return self._deletes

    def _keep(self) -> bool:
        before = self.deployment.redis_side().epoch
        standing = self.deployment.join(writes=bool(self._redis.zcard(KEYS["leases"])))
        self._report("" if standing.deletes else f"nothing is deleted: {standing}")
        if not standing.deletes:
            return False
        if written := self._manifests.keep_missing():
            log.info("manifests of %d models were missing and are written", written)
        due = bool(self._redis.set(KEYS["advanced"], 1, nx=True, ex=EPOCH_PERIOD_S))
        self._advancing = (self._advancing or due) and standing.redis.epoch == before
        if self._advancing and not self.deployment.advance():
            self._next = monotonic() + RETRY_S
            return False
        self._advancing = False
        return True

    def _report(self, reason: str) -> None:
        """Log once why nothing is deleted, and once that this has ended."""
        if reason != self._reported:
            log.warning("%s", reason or "Redis and the artifact store belong together again")
        self._reported = reason
