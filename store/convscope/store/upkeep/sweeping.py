"""Removes what nobody needs any more: ended jobs after a while, and blobs that nothing points to.

A blob is written before it is pointed to, so one without references may have a future: only those that were not written
lately are removed. Whoever points to a blob must have written it within that time.
"""

import contextlib
import logging
from collections.abc import Collection
from datetime import timedelta
from typing import cast

import redis

from convscope.store.blobs import BlobStore
from convscope.store.clock import now
from convscope.store.errors import NotFoundError
from convscope.store.failpoints import value
from convscope.store.jobs.jobs import JobStore
from convscope.store.jobs.records import Fields, text
from convscope.store.models import ModelStore
from convscope.store.names import parse_name
from convscope.store.redis.keys import KEYS, key
from convscope.store.upkeep.collector import Collector

__all__ = ["Sweeper"]

log = logging.getLogger(__name__)

# How long ended jobs are kept, with their events and results.
RETENTION = timedelta(days=30)

# How long a blob may wait to be pointed to. Horses do it within a second.
SPARED = timedelta(hours=1)

# How often somebody sweeps.
PERIOD = timedelta(hours=1)

MILLISECOND = timedelta(milliseconds=1)


class Sweeper:
    """Sweeps one Redis and one artifact store; any number may run, one of them sweeps.

    Args:
        connection: Redis.
        blobs: the artifact store.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore) -> None:
        self._redis = connection
        self._blobs = blobs
        self._collector = Collector(connection, blobs)

    def tick(self) -> None:
        """Sweep if nobody has for an hour.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        if self._redis.set(KEYS["swept"], 1, nx=True, px=round(_time("sweep.period", PERIOD) / MILLISECOND)):
            removed = self.expire_jobs(_time("sweep.retention", RETENTION))
            orphans = self.sweep(_time("sweep.spared", SPARED))
            log.info("swept: %d jobs, %d blobs", removed, orphans)

    def collect(self) -> int:
        """Delete the files of blobs that lost their last reference; see ``Collector.tick``."""
        return self._collector.tick()

    def expire_jobs(self, retention: timedelta = RETENTION) -> int:
        """Delete the jobs that ended longer ago; returns how many. Models stay."""
        seconds, _ = self._redis.time()
        oldest = (seconds - retention.total_seconds()) * 1000
        jobs = JobStore(self._redis)
        expired = cast("list[bytes]", self._redis.zrangebyscore(KEYS["ended"], "-inf", oldest))
        for job_id in expired:
            with contextlib.suppress(NotFoundError):  # it was deleted meanwhile
                jobs.delete(f"jobs/{text(job_id)}")
        return len(expired)

    def sweep(self, spared: timedelta = SPARED) -> int:
        """Remove the blobs that nothing refers to and that were not written lately; returns how many."""
        oldest = now() - spared
        removed = 0
        for batch in self._blobs.stored():
            orphans = self._unreferenced([blob.digest for blob in batch if blob.written < oldest])
            removed += self._collector.collect(orphans) if orphans else 0
        self._forget()
        return removed

    def _forget(self) -> None:
        """Strike images off those known that no job has any more; a look-up would do so too, if one came."""
        for model in ModelStore(self._redis).newest_first():
            known, cursor, ended = key("cached", parse_name("models", model.name)), 0, False
            while not ended:
                cursor, found = cast("tuple[int, Fields]", self._redis.hscan(known, cursor, count=1_000))
                gone = set(self._unreferenced([text(digest) for digest in found.values()]))
                if stale := [name for name, digest in found.items() if text(digest) in gone]:
                    self._redis.hdel(known, *stale)
                ended = not cursor

    def _unreferenced(self, digests: Collection[str]) -> list[str]:
        if not digests:
            return []
        counts = self._redis.hmget(KEYS["references"], list(digests))
        return [digest for digest, count in zip(digests, counts, strict=True) if count is None]


def _time(name: str, default: timedelta) -> timedelta:
    """Return a time that tests shorten by a failpoint."""
    return timedelta(seconds=float(value(name, str(default.total_seconds()))))
