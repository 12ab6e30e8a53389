"""Removes what is not needed any more: ended jobs after a while, and blobs without references.

A blob is written before its first reference, so only blobs without references that were not written recently are
removed. A writer must refer to a blob within that time after writing it.
"""

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
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

# How long a blob may wait for its first reference. Executors refer to it within a second.
SPARED = timedelta(hours=1)

# How often the store is swept.
PERIOD = timedelta(hours=1)

MILLISECOND = timedelta(milliseconds=1)

# How long a process holds the lock for deleting files without renewing it, in seconds.
LOCK_S = 60

# Blobs to delete before checking again whether that is allowed.
BATCH = 500

# Most orphans, in number and as a share of the store, whose last reference no script has released: a sweep that would
# remove more than both is taken to be a mistake.
MOST_ORPHANS = 1_000
LARGEST_SHARE = 0.1


@dataclass(slots=True)
class Survey:
    """What a sweep would remove.

    Attributes:
        standing: whether Redis and the store belonged together when it began.
        oldest: blobs written later are not removed; by the store's clock.
        count: number of blobs in the store.
        size: size of all of them, in bytes.
        orphans: sizes of those that would be removed, in bytes, by digest.
        dropped: how many of these had a reference that was released, because a record was deleted.
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
        """Refuse a sweep that looks like a mistake.

        Args:
            force: whether to allow any number of orphans.

        Raises:
            SweepStoppedError: if it looks like a mistake.
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
        """Delete a batch of blobs that nothing refers to any more; sweep if the last sweep was an hour ago.

        While nothing may be deleted, do neither.

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
            removed = self.expire_jobs(_time("sweep.retention", RETENTION), self._hold)
            log.info("swept: %d jobs, %d blobs", removed, self._sweep(_time("sweep.spared", SPARED)))

    def _permit(self, since: Standing | None = None) -> None:
        """Check that this process may delete files now."""
        self._hold()
        self._deployment.may_delete(since)

    def _hold(self) -> None:
        """Hold the lock for longer."""
        try:
            self._lock.reacquire()
        except LockError as error:
            raise DeletionOffError("nothing more is deleted: another process has taken that over") from error

    def _release(self) -> None:
        with contextlib.suppress(LockError):  # the lock has expired, and another process has it
            self._lock.release()

    def expire_jobs(self, retention: timedelta = RETENTION, pulse: Callable[[], object] = lambda: None) -> int:
        """Delete the jobs that ended longer ago, but not their models; return how many.

        Args:
            retention: how long ago.
            pulse: called before each deletion; an exception ends the work.
        """
        now, _ = self._redis.time()
        oldest = (now - retention.total_seconds()) * 1000
        jobs = JobStore(self._redis)
        expired = cast("list[bytes]", self._redis.zrangebyscore(KEYS["ended"], "-inf", oldest))
        for job_id in expired:
            pulse()
            with contextlib.suppress(NotFoundError):  # it was deleted meanwhile
                jobs.delete(f"jobs/{text(job_id)}")
        return len(expired)

    def survey(
        self, spared: timedelta = SPARED, *, all_ages: bool = False, pulse: Callable[[], object] = lambda: None
    ) -> Survey:
        """Find out what a sweep would remove.

        Args:
            spared: how long ago a blob must have been written to be removed.
            all_ages: whether to remove blobs from before this Redis adopted the store.
            pulse: called for each batch of blobs; an exception ends the survey.

        Raises:
            DeletionOffError: if nothing may be deleted.
            ManifestError: if a manifest that may name orphans cannot be read.
        """
        standing = self._deployment.may_delete()
        adopted = datetime.fromtimestamp(0 if all_ages else standing.redis.adopted / 1e6, UTC)
        oldest = self._blobs.objects.now() - spared
        survey = Survey(standing, oldest)
        for batch in self._blobs.stored():
            pulse()
            survey.count += len(batch)
            survey.size += sum(blob.size for blob in batch)
            old = {blob.digest: blob for blob in batch if adopted <= blob.written <= oldest}
            for digest in self._unreferenced(list(old)):
                survey.orphans[digest] = old[digest].size
        survey.dropped = self._count_dropped(survey.orphans)
        survey.named = self._named(survey.orphans)
        return survey

    def sweep(self, spared: timedelta = SPARED, *, all_ages: bool = False, force: bool = False) -> int:
        """Remove the blobs without references that were not written recently; return how many.

        Args:
            spared: how long ago a blob must have been written to be removed.
            all_ages: whether to remove blobs from before this Redis adopted the store.
            force: whether to remove any number of them.

        Raises:
            DeletionOffError: if nothing may be deleted, or not any more.
            SweepStoppedError: if the orphans seem to be needed; then nothing has been removed.
        """
        if not self._lock.acquire(blocking=True, blocking_timeout=LOCK_S):
            raise DeletionOffError("nothing is deleted: another process deletes files; try again later")
        try:
            self._collector.take_apart(self._hold)
            return self._sweep(spared, all_ages=all_ages, force=force)
        finally:
            self._release()

    def _sweep(self, spared: timedelta, *, all_ages: bool = False, force: bool = False) -> int:
        try:
            survey = self.survey(spared, all_ages=all_ages, pulse=self._hold)
            survey.check(force=force)
        except (SweepStoppedError, ManifestError) as error:
            self._redis.hset(KEYS["deployment"], "stopped", str(error))
            raise SweepStoppedError(str(error)) from error
        self._redis.hdel(KEYS["deployment"], "stopped")
        removed = 0
        for batch in batched(survey.orphans, BATCH):
            self._permit(survey.standing)
            removed += self._collector.collect(self._unreferenced(batch))
        if staged := self._blobs.remove_staged(survey.oldest):
            log.info("removed %d files that their writers did not finish", staged)
        self._forget_cached()
        return removed

    def _count_dropped(self, digests: Collection[str]) -> int:
        """Count those that had a reference once, which was released."""
        scores = (self._redis.zmscore(KEYS["unreferenced"], batch) for batch in batched(digests, BATCH))
        return sum(score is not None for batch in scores for score in batch)

    def _named(self, orphans: Collection[str]) -> list[tuple[str, str]]:
        """Return orphans that a manifest names, whose record must be lost: existing records refer to their files."""
        if not orphans:
            return []
        lost = self._manifests.manifests.names() - self._manifests.ready()
        named = self._manifests.manifests.named_files(lost)
        return [(digest, name) for digest, name in named if digest in orphans]

    def _forget_cached(self) -> None:
        """Forget cached images that no job has any more; a look-up would forget them, too."""
        for model in ModelStore(self._redis).walk():
            cached, cursor, ended = key("cached", parse_name("models", model.name)), 0, False
            while not ended:
                cursor, images = cast("tuple[int, Fields]", self._redis.hscan(cached, cursor, count=1_000))
                gone = set(self._unreferenced([text(digest) for digest in images.values()]))
                if stale := [cache_key for cache_key, digest in images.items() if text(digest) in gone]:
                    self._redis.hdel(cached, *stale)
                ended = not cursor

    def _unreferenced(self, digests: Collection[str]) -> list[str]:
        if not digests:
            return []
        counts = self._redis.hmget(KEYS["references"], list(digests))
        return [digest for digest, count in zip(digests, counts, strict=True) if count is None]


def batched(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield values in lists of at most ``size``."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def _time(name: str, default: timedelta) -> timedelta:
    """Return a duration, which tests can shorten by a failpoint."""
    return timedelta(seconds=float(value(name, str(default.total_seconds()))))
