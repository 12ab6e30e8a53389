"""Nothing that is needed is swept, and nothing else is left."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis

from convscope.store import Attempt, BlobStore, JobStore, PolicyError, Sweeper, check_policy
from convscope.store.errors import BlobDamagedError
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec

NOW = timedelta(0)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path.as_uri())


def train(connection: redis.Redis, blobs: BlobStore) -> tuple[str, list[str], list[str]]:
    """Run a job that leaves blobs; returns its name, the digests that it points to, and those of its model."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    attempt = Attempt.claim(connection, job.name.removeprefix("jobs/"), 0, worker="w", environment={})
    assert attempt is not None
    image, result, file, history = (blobs.put(f"{kind} {job.name}".encode()) for kind in "irfh")
    attempt.report(JobEvent(), image)
    attempt.succeed(result, Model(sha256=file), history=history)
    return job.name, [image, result], [file, history]


def test_only_what_nothing_points_to_is_swept(connection: redis.Redis, blobs: BlobStore) -> None:
    name, of_job, of_model = train(connection, blobs)
    orphan = blobs.put(b"written by a horse that died before it could point to it")
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


def test_what_a_deletion_orphans_goes_at_once_if_it_is_old(connection: redis.Redis, blobs: BlobStore) -> None:
    name, of_job, of_model = train(connection, blobs)
    sweeper = Sweeper(connection, blobs)
    orphans = JobStore(connection).delete(name)
    assert set(orphans) == set(of_job)
    sweeper.discard([*orphans, "0" * 64])
    for digest in of_job:
        blobs.get(digest)  # written a moment ago: somebody may be about to point to the same
    sweeper.discard([*orphans, *of_model], NOW)
    for digest in of_job:
        with pytest.raises(BlobDamagedError):
            blobs.get(digest)
    for digest in of_model:
        blobs.get(digest)


def test_jobs_expire_and_models_stay(connection: redis.Redis, blobs: BlobStore) -> None:
    old, _, of_model = train(connection, blobs)
    young, _, _ = train(connection, blobs)
    month_ago = int(connection.time()[0] * 1000) - 31 * 24 * 3600 * 1000
    connection.hset(key("job", old.removeprefix("jobs/")), "ended", month_ago)
    waiting, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    assert Sweeper(connection, blobs).expire_jobs() == 1
    assert {job.name for job in JobStore(connection).newest_first()} == {young, waiting.name}
    for digest in of_model:
        blobs.get(digest)


def test_one_sweep_an_hour(connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[Sweeper] = []

    def sweep(sweeper: Sweeper) -> int:
        swept.append(sweeper)
        return 0

    monkeypatch.setattr(Sweeper, "sweep", sweep)
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
