"""What can still be done with jobs and models whose artifacts are damaged: everything that does not need them."""

import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from convscope.client import Client, DataLoss, Finished, Job, JobState, NotFound, TrainResult
from support.stack import Stack, running_stack

PROGRAM = str(Path(sys.executable).with_name("convscope"))


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A convscope whose artifacts may be damaged."""
    with running_stack() as stack:
        yield stack


@pytest.fixture
def client(own: Stack) -> Iterator[Client]:
    with Client(own.address) as client:
        yield client


def trained(client: Client) -> Job[TrainResult]:
    job = client.train(convolutions=[2], dense=[], iterations=3)
    job.result(timeout=120)
    return job


def damage(stack: Stack, *spared: str) -> None:
    """Overwrite every blob but those with these digests."""
    blobs = [path for path in (stack.home / "artifacts" / "blobs").glob("*/*") if path.is_file()]
    chosen = [path for path in blobs if sha256(path.read_bytes()).hexdigest() not in spared]
    assert chosen
    for path in chosen:
        path.write_bytes(b"damaged")


def run(stack: Stack, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "--address", stack.address, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


def test_a_damaged_result_can_be_watched_and_deleted(own: Stack, client: Client) -> None:
    name = trained(client).name
    damage(own)
    job = client.job(name)
    with pytest.raises(DataLoss, match="artifact"):
        job.refresh()
    assert job.cancel().state is JobState.SUCCEEDED  # it has ended
    events = job.watch()
    assert next(events).sequence == 1
    with pytest.raises(DataLoss, match="artifact"):
        list(events)
    job.delete()
    with pytest.raises(NotFound):
        job.refresh()


def test_the_command_line_works_by_name_alone(own: Stack, client: Client) -> None:
    job = trained(client)
    damage(own)
    assert run(own, "jobs", "show", job.name).stderr.startswith("convscope: artifact ")
    assert run(own, "jobs", "cancel", job.name).stdout == f"{job.name}: succeeded\n"
    watched = run(own, "jobs", "watch", job.name)
    assert "step 3/3" in watched.stdout  # all that can be read
    assert (watched.returncode, watched.stderr[:20]) == (1, "convscope: artifact ")
    assert run(own, "jobs", "delete", job.name).stdout == f"deleted {job.name}\n"
    assert run(own, "models", "delete", job.model).stdout == f"deleted {job.model}\n"


def test_without_its_history_a_model_is_as_good_as_ever(own: Stack, client: Client, tmp_path: Path) -> None:
    job = trained(client)
    events = list(job.watch())
    assert isinstance(events[-1], Finished)
    file = client.model(job.model).digest
    assert file is not None
    damage(own, file.sha256, result_digest(own, job))
    with pytest.raises(DataLoss, match="artifact"):
        client.history(job.model)
    assert client.model(job.model).step == 3
    assert "its training curve is damaged" in run(own, "models", "show", job.model).stdout
    result = client.job(job.name).result(timeout=60)
    assert (result.step, len(result.history)) == (3, 0)
    exported = client.export_model(job.model, tmp_path / "model.keras")
    assert sha256(exported.read_bytes()).hexdigest() == file.sha256
    assert run(own, "models", "export", job.model, folder=tmp_path).returncode == 0
    client.delete_model(job.model)


def result_digest(stack: Stack, job: Job[TrainResult]) -> str:
    """Return the digest of a job's stored result."""
    import redis

    from convscope.store import JobStore

    connection = redis.Redis.from_url(stack.redis_url)
    try:
        return JobStore(connection).result_digest(job.name)
    finally:
        connection.close()
