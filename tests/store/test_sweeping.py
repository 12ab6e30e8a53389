"""Nothing that is needed is swept, and nothing else is left."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
import redis

from convscope.store import BlobStore, Collector, JobStore, PolicyError, Sweeper, check_policy
from convscope.store.blobs import StoredBlob
from convscope.store.errors import BlobDamagedError, DeletionOffError
from convscope.store.redis.keys import KEYS
from convscope.store.upkeep.sweeping import LOCK_S
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from support.part_jobs import claim

NOW = timedelta(0)


def train(connection: redis.Redis, blobs: BlobStore) -> tuple[str, list[str], list[str]]:
    """Run a job that leaves blobs; return its name, the digests that it refers to, and those of its model."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    attempt = claim(connection, job)
    image, result, file, history = (blobs.put(f"{kind} {job.name}".encode()) for kind in "irfh")
    attempt.report(JobEvent(), image)
    attempt.succeed(result, Model(digest=Digest(sha256=file)), history=history)
    return job.name, [image, result], [file, history]


def test_only_what_nothing_points_to_is_swept(connection: redis.Redis, blobs: BlobStore) -> None:
    name, of_job, of_model = train(connection, blobs)
    orphan = blobs.put(b"written by an executor that died before it could refer to it")
    sweeper = Sweeper(connection, blobs)
    assert sweeper.sweep() == 0  # all were written lately
    assert sweeper.sweep(NOW) == 1
    with pytest.raises(BlobDamagedError):
        blobs.get(orphan)
    for digest in of_job + of_model:
        blobs.get(digest)
    JobStore(connection).delete(name)
    assert sweeper.sweep(NOW) == len(of_job)
    for digest in of_model:
        blobs.get(digest)
    assert sweeper.sweep(NOW) == 0


def test_what_a_deletion_leaves_goes_within_seconds(connection: redis.Redis, blobs: BlobStore) -> None:
    name, of_job, of_model = train(connection, blobs)
    collector = Collector(connection, blobs)
    JobStore(connection).delete(name)
    assert collector.tick() == 0
    for digest in of_job:
        blobs.get(digest)  # Redis may yet forget that the job was deleted
        connection.zadd(KEYS["unreferenced"], {digest: 1})
    assert collector.tick() == len(of_job)
    for digest in of_job:
        with pytest.raises(BlobDamagedError):
            blobs.get(digest)
    for digest in of_model:
        blobs.get(digest)


def test_one_process_at_a_time_deletes_files(connection: redis.Redis, blobs: BlobStore) -> None:
    digest = blobs.put(b"an orphan")
    with connection.lock(KEYS["collecting"], timeout=60):
        Sweeper(connection, blobs).tick()
        assert not connection.exists(KEYS["swept"])
    sweeper = Sweeper(connection, blobs)
    sweeper._lock.acquire()
    connection.delete(KEYS["collecting"])  # it took so long that the lock ran out
    with pytest.raises(DeletionOffError):
        sweeper._sweep(NOW)
    assert blobs.get(digest)


class SlowBlobs(BlobStore):
    """A store whose listing takes twice as long as a process holds the lock without renewing it."""

    def __init__(self, url: str, connection: redis.Redis) -> None:
        super().__init__(url)
        self._connection = connection

    def stored(self) -> Iterator[list[StoredBlob]]:
        """Yield the blobs in four batches."""
        blobs = list(chain.from_iterable(super().stored()))
        for number in range(4):
            left_ms = self._connection.pttl(KEYS["collecting"]) - LOCK_S * 500
            self._connection.pexpire(KEYS["collecting"], left_ms)  # deletes it if nothing is left
            yield blobs[number::4]


def test_a_sweep_may_take_longer_than_its_lock_lasts(connection: redis.Redis, blobs: BlobStore, tmp_path: Path) -> None:
    orphans = [blobs.put(f"orphan {number}".encode()) for number in range(5)]
    sweeper = Sweeper(connection, SlowBlobs(tmp_path.as_uri(), connection))
    assert sweeper.sweep(NOW) == len(orphans)


def test_what_a_writer_that_died_left_of_a_file_is_swept(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path
) -> None:
    digest = blobs.put(b"an orphan")
    folder = tmp_path / "blobs" / digest[:2]
    started, strange = folder / f"{digest}#1", folder / "notes#1"
    started.write_bytes(b"an or")
    strange.write_bytes(b"of a person")
    Sweeper(connection, blobs).sweep()  # both were written lately
    assert started.exists()
    Sweeper(connection, blobs).sweep(NOW)
    assert sorted(folder.iterdir()) == [strange]


def test_jobs_expire_and_models_stay(connection: redis.Redis, blobs: BlobStore) -> None:
    old, _, of_model = train(connection, blobs)
    young, _, _ = train(connection, blobs)
    month_ago = int(connection.time()[0] * 1000) - 31 * 24 * 3600 * 1000
    connection.zadd(KEYS["ended"], {old.removeprefix("jobs/"): month_ago})
    waiting, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    assert Sweeper(connection, blobs).expire_jobs() == 1
    assert {job.name for job in JobStore(connection).walk()} == {young, waiting.name}
    for digest in of_model:
        blobs.get(digest)


def test_one_sweep_an_hour(connection: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(tmp_path.as_uri())  # a new one: no epoch has to be advanced before the first sweep
    swept: list[Sweeper] = []

    def sweep(sweeper: Sweeper, _: timedelta) -> int:
        swept.append(sweeper)
        return 0

    monkeypatch.setattr(Sweeper, "_sweep", sweep)
    for _ in range(3):
        Sweeper(connection, blobs).tick()
    assert len(swept) == 1
    assert 3500 < connection.ttl(KEYS["swept"]) <= 3600


def test_a_redis_that_evicts_is_refused(connection: redis.Redis) -> None:
    check_policy(connection)
    connection.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(PolicyError, match=r"allkeys-lru.*config set maxmemory-policy noeviction"):
            check_policy(connection)
    finally:
        connection.config_set("maxmemory-policy", "noeviction")
