"""Keeps Redis and the artifact store together: their identity, their epoch, and manifests that are missing."""

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

# How often both sides are looked at, in seconds.
PERIOD_S = 60.0

# How often the epoch is advanced, in seconds: a backup of Redis that is older is known as one.
EPOCH_PERIOD_S = 300

# How long to wait for Redis' disk between two tries to advance, in seconds.
RETRY_S = 0.5


class Keeper:
    """Any number may run.

    Args:
        connection: Redis.
        blobs: the artifact store.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore) -> None:
        self._redis = connection
        self._manifests = ModelManifests(connection, blobs)
        self.deployment = Deployment(connection, blobs.objects)
        self._said = ""
        self._next = 0.0
        self._advancing = True  # once at first: a backup that was made before this process started is known, too
        self._deletes = False

    def tick(self) -> bool:
        """Look at both sides, if it is time; returns whether things may be deleted.

        Raises:
            redis.RedisError: if Redis does not answer.
        """
        if monotonic() < self._next:
            return self._deletes
        self._next, self._deletes = monotonic() + PERIOD_S, False
        try:
            self._deletes = self._keep()
        except (BlobError, LayoutError, DeletionOffError) as error:
            self._say(str(error))
        return self._deletes

    def _keep(self) -> bool:
        before = self.deployment.redis_side().epoch
        standing = self.deployment.join(writes=bool(self._redis.zcard(KEYS["leases"])))
        self._say("" if standing.deletes else f"nothing is deleted: {standing}")
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

    def _say(self, reason: str) -> None:
        """Tell once why nothing is deleted, and once that it is over."""
        if reason != self._said:
            log.warning("%s", reason or "Redis and the artifact store belong together again")
        self._said = reason
