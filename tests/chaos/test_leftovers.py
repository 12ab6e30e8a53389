"""Each check of what is left finds what is left, and nothing where nothing is."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from chaos import leftovers
from chaos.run import uninvited
from convscope.store import (
    BlobStore,
    Checkpoint,
    JobStore,
    Sweeper,
    WorkerReport,
    WorkerStore,
    settle_waiters,
)
from convscope.store.jobs.attachments import Attachments, ExamplesBlob, StoredFile
from convscope.store.redis.keys import KEYS
from convscope.v1.digest_pb2 import Digest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Job, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from support.part_jobs import claim


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LEASE_MS", -1000)


@pytest.fixture
def job(connection: redis.Redis) -> Job:
    return JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())[0]


def succeed(connection: redis.Redis, job: Job, blobs: BlobStore) -> None:
    attempt = claim(connection, job)
    attempt.succeed(blobs.put(b"result"), Model(digest=Digest(sha256=blobs.put(b"model"))))
    settle_waiters(connection, attempt.makes)
    connection.delete(KEYS["leases"])  # as the leader does when it runs out


def test_nothing_is_left_of_a_job_that_ended(connection: redis.Redis, job: Job, blobs: BlobStore) -> None:
    succeed(connection, job, blobs)
    blobs.put(b"swept")
    assert list(leftovers.left_in_redis(connection)) == []
    assert list(leftovers.needless_blobs(connection, [job])) == []
    assert list(leftovers.left_in_blobs(connection, blobs)) == []


def test_a_running_job_its_lease_and_its_parts_are_found(connection: redis.Redis, job: Job) -> None:
    claim(connection, job)
    parts, leases, running = leftovers.left_in_redis(connection)
    assert "parts is left" in parts
    assert job.name.removeprefix("jobs/") in leases
    assert running.startswith("convscope:jobs:state:running has")


def test_a_queued_job_is_found(connection: redis.Redis, job: Job) -> None:
    left = list(leftovers.left_in_redis(connection))
    assert any("state:queued has" in line and job.name.removeprefix("jobs/") in line for line in left)
    assert any(line.startswith(f"{KEYS['backlog']} has 1 ") for line in left)
    assert any(line.startswith("convscope:ready:") for line in left)


def test_a_job_that_waits_is_found(connection: redis.Redis, job: Job) -> None:
    JobStore(connection).create(JobSpec(evaluate=EvaluateSpec(model=job.model)), request_digest="d", needs=job.model)
    assert any("waiters is left" in line for line in leftovers.left_in_redis(connection))


def test_a_needless_blob_is_found(connection: redis.Redis, job: Job) -> None:
    claim(connection, job).save_checkpoint(Checkpoint(25, "state"))
    (line,) = leftovers.needless_blobs(connection, [job])
    assert "1 blobs without need" in line


def test_blobs_of_examples_and_files_are_needed(connection: redis.Redis, blobs: BlobStore) -> None:
    job, _ = JobStore(connection).create(JobSpec(evaluate=EvaluateSpec(model="models/m")), request_digest="d")
    attachments = Attachments(
        examples=[ExamplesBlob(3, blobs.put(b"examples"))],
        files=[StoredFile("matrix.npy", "application/x-npy", blobs.put(b"matrix"), 6)],
    )
    claim(connection, job).succeed(blobs.put(b"result"), attachments=attachments)
    assert not list(leftovers.needless_blobs(connection, [job]))


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_blob_that_cannot_be_read_is_found(
    connection: redis.Redis, job: Job, blobs: BlobStore, tmp_path: Path, damage: str
) -> None:
    succeed(connection, job, blobs)
    file = next(tmp_path.glob("blobs/*/*"))
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"other")
    (line,) = leftovers.left_in_blobs(connection, blobs)
    assert f"{file.name} " in line
    assert damage in line


def test_a_miscounted_reference_is_found(connection: redis.Redis, job: Job, blobs: BlobStore) -> None:
    succeed(connection, job, blobs)
    connection.hset(KEYS["references"], blobs.put(b"another"), 1)
    (line,) = leftovers.left_in_blobs(connection, blobs)
    assert "miscounted" in line


def test_a_blob_that_a_sweep_leaves_is_found(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweeper, "sweep", lambda *_, **__: 0)
    digest = blobs.put(b"orphan")
    assert list(leftovers.left_in_blobs(connection, blobs)) == [f"blob {digest} is stored, and nothing refers to it"]


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "CONVSCOPE_HOME": str(tmp_path)}) as process:
        yield process.pid
        process.kill()


def test_a_process_is_found(orphan: int, tmp_path: Path) -> None:
    (line,) = leftovers.left_of_processes(tmp_path, expected=[], patience=0.2)
    assert f"process {orphan} is left: sleep 60" in line
    assert list(leftovers.left_of_processes(tmp_path, expected=[orphan])) == []
    assert list(leftovers.left_of_processes(tmp_path / "another", expected=[])) == []


def test_a_worker_that_is_not_seen_is_found(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "SEEN_S", 0.0)
    WorkerStore(connection).report(WorkerReport(name="seen", device="cpu", idle=True))
    assert list(leftovers.unseen(connection, ["seen", "silent"])) == ["silent is not seen"]


def test_jobs_without_a_request_and_twins_are_found() -> None:
    jobs = [Job(name="jobs/a", request_id="1"), Job(name="jobs/b", request_id="2")]
    assert uninvited(jobs, ["1", "2"]) == []
    assert uninvited(jobs, ["1"]) == ["jobs/b was not requested"]
    assert uninvited([*jobs, Job(name="jobs/c", request_id="2")], ["1", "2"]) == ["request 2 made 2 jobs"]
