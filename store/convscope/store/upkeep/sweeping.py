"""Removes what nobody needs any more: ended jobs after a while, and blobs that nothing points to.

A blob is written before it is pointed to, so one without references may have a future: only those that were not written
lately are removed. Whoever points to a blob must have written it within that time.
"""

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import cast

import redis
from redis.exceptions import LockError

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Standing
from convscope.store.errors import DeletionOffError, ManifestError, NotFoundError, SweepStoppedError
from convscope.store.failpoints import value
from convscope.store.jobs.jobs import JobStore
from convscope.store.jobs.records import Fields, text
from convscope.store.model_manifests import ModelManifests
from convscope.store.models import ModelStore
from convscope.store.names import parse_name
from convscope.store.redis.keys import KEYS, key
from convscope.store.upkeep.collector import Collector
from convscope.store.upkeep.keeping import Keeper

__all__ = ["Survey", "Sweeper"]

log = logging.getLogger(__name__)

# How long ended jobs are kept, with their events and results.
RETENTION = timedelta(days=30)

# How long a blob may wait to be pointed to. Horses do it within a second.
SPARED = timedelta(hours=1)

# How often somebody sweeps.
PERIOD = timedelta(hours=1)

MILLISECOND = timedelta(milliseconds=1)


# For how long a process that deletes files is believed to do so without a sign of life, in seconds.
LOCK_S = 60

# How many blobs are deleted before it is asked once more whether that is right.
BATCH = 500

# A sweep that would remove more blobs than that which no script has taken the last reference from, and more than this
# share of the store, is taken to be a mistake.
MOST_ORPHANS = 1_000
LARGEST_SHARE = 0.1


@dataclass(slots=True)
class Survey:
    """What a sweep would remove.

    Attributes:
        standing: how Redis and the store stood to each other when it began.
        oldest: what was written later is not removed; by the store's clock.
        count: blobs in the store.
        size: of all of them, in bytes.
        orphans: the sizes of those that would be removed, by digest.
        dropped: how many of these had a reference that was taken back, because what pointed to them was deleted.
        named: those that a manifest names, with its name.
    """

    standing: Standing
    oldest: datetime
    count: int = 0
    size: int = 0
    orphans: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    named: list[tuple[str, str]] = field(default_factory=list)

    def check(self, *, force: bool = False) -> None:
        """Make sure that this is no mistake.

        Raises:
            SweepStoppedError: if it looks like one.
        """
        if self.named:
            digest, name = self.named[0]
            raise SweepStoppedError(
                f"{len(self.named)} files that would be removed are named by manifests, such as {digest} by {name}: "
                "records of models have been lost; `convscope admin adopt` makes them again"
            )
        unexplained = len(self.orphans) - self.dropped
        if not force and unexplained > MOST_ORPHANS and unexplained > LARGEST_SHARE * self.count:
            raise SweepStoppedError(
                f"{unexplained} of {self.count} files would be removed that nothing is known about: records may have "
                "been lost; `convscope admin sweep --dry-run` says what, `convscope admin sweep --force` removes them"
            )


class Sweeper:
    """Sweeps one Redis and one artifact store; any number may run, one of them sweeps.

    Args:
        connection: Redis.
        blobs: the artifact store.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore) -> None:
        self._redis = connection
        self._blobs = blobs
        self._keeper = Keeper(connection, blobs)
        self._deployment = self._keeper.deployment
        self._collector = Collector(connection, blobs, permit=self._permit)
        self._manifests = ModelManifests(connection, blobs)
        self._lock = connection.lock(KEYS["collecting"], timeout=LOCK_S, thread_local=False)

    def tick(self) -> None:
        """Delete a batch of what nothing refers to any more; sweep if that has not been done for an hour.

        Where nothing may be deleted, neither is done.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        deletes = self._keeper.tick()
        due = not self._redis.exists(KEYS["swept"])
        if (due or self._collector.has_garbage()) and self._lock.acquire(blocking=False):
            try:
                if deletes:
                    self._tidy()
                else:
                    self._collector.pardon()
            except (SweepStoppedError, DeletionOffError) as error:
                log.warning("files stay: %s", error)
            finally:
                self._release()

    def _tidy(self) -> None:
        self._collector.tick()
        if self._redis.set(KEYS["swept"], 1, nx=True, px=round(_time("sweep.period", PERIOD) / MILLISECOND)):
            self._permit()
            removed = self.expire_jobs(_time("sweep.retention", RETENTION))
            log.info("swept: %d jobs, %d blobs", removed, self._sweep(_time("sweep.spared", SPARED)))

    def _permit(self, since: Standing | None = None) -> None:
        """Make sure that files may be deleted, by this process, now."""
        try:
            self._lock.reacquire()
        except LockError as error:
            raise DeletionOffError("nothing more is deleted: another process has taken that over") from error
        self._deployment.may_delete(since)

    def _release(self) -> None:
        with contextlib.suppress(LockError):  # it took so long that another process has it
            self._lock.release()

    def expire_jobs(self, retention: timedelta = RETENTION) -> int:
        """Delete the jobs that ended longer ago; returns how many. Models stay."""
        now, _ = self._redis.time()
        oldest = (now - retention.total_seconds()) * 1000
        jobs = JobStore(self._redis)
        expired = cast("list[bytes]", self._redis.zrangebyscore(KEYS["ended"], "-inf", oldest))
        for job_id in expired:
            with contextlib.suppress(NotFoundError):  # it was deleted meanwhile
                jobs.delete(f"jobs/{text(job_id)}")
        return len(expired)

    def survey(self, spared: timedelta = SPARED, *, all_ages: bool = False) -> Survey:
        """Find out what a sweep would remove.

        Args:
            spared: how long ago a blob must have been written to be removed.
            all_ages: whether to remove blobs that were there before this Redis took the store over.

        Raises:
            DeletionOffError: if nothing may be deleted.
            ManifestError: if a manifest that may name some of it cannot be read.
        """
        standing = self._deployment.may_delete()
        adopted = datetime.fromtimestamp(0 if all_ages else standing.redis.adopted / 1e6, UTC)
        oldest = self._blobs.objects.now() - spared
        found = Survey(standing, oldest)
        for batch in self._blobs.stored():
            found.count += len(batch)
            found.size += sum(blob.size for blob in batch)
            old = {blob.digest: blob for blob in batch if adopted <= blob.written <= oldest}
            for digest in self._unreferenced(list(old)):
                found.orphans[digest] = old[digest].size
        found.dropped = self._count_dropped(found.orphans)
        found.named = self._named(found.orphans)
        return found

    def sweep(self, spared: timedelta = SPARED, *, all_ages: bool = False, force: bool = False) -> int:
        """Remove the blobs that nothing points to and that were not written lately; returns how many.

        Args:
            spared: how long ago a blob must have been written to be removed.
            all_ages: whether to remove blobs that were there before this Redis took the store over.
            force: whether to remove them however many they are.

        Raises:
            DeletionOffError: if nothing may be deleted, or not any more.
            SweepStoppedError: if what is to be removed looks as if it were needed; nothing has been removed then.
        """
        if not self._lock.acquire(blocking=True, blocking_timeout=LOCK_S):
            raise DeletionOffError("nothing is deleted: another process deletes files; try again later")
        try:
            self._collector.take_apart()
            return self._sweep(spared, all_ages=all_ages, force=force)
        finally:
            self._release()

    def _sweep(self, spared: timedelta, *, all_ages: bool = False, force: bool = False) -> int:
        try:
            found = self.survey(spared, all_ages=all_ages)
            found.check(force=force)
        except (SweepStoppedError, ManifestError) as error:
            self._redis.hset(KEYS["deployment"], "stopped", str(error))
            raise SweepStoppedError(str(error)) from error
        self._redis.hdel(KEYS["deployment"], "stopped")
        removed = 0
        for batch in batched(found.orphans, BATCH):
            self._permit(found.standing)
            removed += self._collector.collect(self._unreferenced(batch))
        self._forget()
        return removed

    def _count_dropped(self, digests: Collection[str]) -> int:
        """Count those that had a reference once, which was taken back."""
        scores = (self._redis.zmscore(KEYS["unreferenced"], batch) for batch in batched(digests, BATCH))
        return sum(score is not None for batch in scores for score in batch)

    def _named(self, orphans: Collection[str]) -> list[tuple[str, str]]:
        """Return those that a manifest names: one whose record is lost, since what a record names is referenced."""
        if not orphans:
            return []
        lost = self._manifests.manifests.names() - self._manifests.ready()
        named = self._manifests.manifests.named_files(lost)
        return [(digest, name) for digest, name in named if digest in orphans]

    def _forget(self) -> None:
        """Strike images off those known that no job has any more; a look-up would do so too, if one came."""
        for model in ModelStore(self._redis).walk():
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


def batched(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield values in lists of at most so many."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def _time(name: str, default: timedelta) -> timedelta:
    """Return a time that tests shorten by a failpoint."""
    return timedelta(seconds=float(value(name, str(default.total_seconds()))))
