"""Jobs of many parts, as tests need them."""

from typing import Any

import redis

from convscope.store import (
    Attempt,
    BlobStore,
    Claimant,
    ExecutorState,
    Image,
    JobStore,
    Scripts,
    WorkerReport,
    WorkerStore,
    read_log,
)
from convscope.store.redis.keys import KEYS
from convscope.v1.device_pb2 import Device
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobSpec, JobState, Priority
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import ImageReady, VisualizeSpec
from support.subjects import feature

__all__ = [
    "claim",
    "create",
    "image",
    "is_to_be_killed",
    "kinds",
    "ready",
    "ready_model",
    "state",
    "take",
    "take_apart",
    "unreferenced",
]


def ready_model(connection: redis.Redis) -> str:
    """Return a model that can be used."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    claim(connection, job).succeed("", Model(digest=Digest(sha256="file")))
    return job.model


def create(
    connection: redis.Redis,
    parts: int,
    *,
    model: str = "",
    priority: Priority.ValueType = Priority.PRIORITY_NORMAL,
    device: Device.ValueType = Device.DEVICE_ANY,
    owner: str = "local",
    cost_s: float = 1.0,
) -> Job:
    """Create a job of many parts."""
    job, _ = JobStore(connection).create(
        JobSpec(visualize=VisualizeSpec(model=model)),
        request_digest="d",
        needs=model,
        priority=priority,
        device=device,
        parts=parts,
        owner=owner,
        part_cost_s=cost_s,
    )
    return job


def take(
    connection: redis.Redis, worker: str = "w", device: str = "cpu", *, blobs: BlobStore | None = None, **claimant: Any
) -> Attempt | None:
    """Claim the part that is next for an executor."""
    return Attempt.claim(connection, Claimant(worker=worker, device=device, **claimant), blobs)


def claim(
    connection: redis.Redis,
    job: Job,
    part: int = 0,
    worker: str = "w",
    device: str = "cpu",
    *,
    blobs: BlobStore | None = None,
) -> Attempt:
    """Claim the part that is next, which must be this one."""
    attempt = take(connection, worker, device, blobs=blobs)
    assert attempt is not None
    assert (f"jobs/{attempt.job_id}", attempt.part) == (job.name, part)
    return attempt


def image(number: int, blob: str = "", *, cached: bool = False) -> Image:
    """Return an image, named by its number."""
    event = ImageReady(image=feature("conv1", number), total_count=100, cached=cached)
    return Image(number=number, cache_key=f"name{number}", event=JobEvent(image_ready=event), blob=blob)


def kinds(connection: redis.Redis, job: Job) -> list[str | None]:
    entries = read_log(connection, job.name.removeprefix("jobs/"), 0, 1000).entries
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    return [JobEvent.FromString(entry.event).WhichOneof("event") for entry in entries]


def ready(connection: redis.Redis, device: str = "any") -> int:
    """Return how many parts workers with a device can claim."""
    names = [f"parts:{priority}:{device}" for priority in ("high", "normal", "low")]
    return sum(int(count or 0) for count in connection.hmget(KEYS["backlog"], names))


def is_to_be_killed(connection: redis.Redis, worker: str) -> bool:
    """Ask as a worker's supervisor does, every second."""
    state = WorkerStore(connection).report(WorkerReport(name=worker, device="cpu", idle=False))
    return state is ExecutorState.TO_KILL


def take_apart(connection: redis.Redis) -> int:
    """Take a slice off what deleted records left behind and return how many references were dropped."""
    return int(Scripts(connection).run("take_apart", 1000))


def state(connection: redis.Redis, job: Job) -> JobState.ValueType:
    return JobStore(connection).get(job.name).state


def unreferenced(connection: redis.Redis, blobs: BlobStore, data: bytes) -> str:
    """Return the digest of a blob that has lost its last reference."""
    attempt = claim(connection, create(connection, 1), blobs=blobs)
    digest = attempt.put(data)
    attempt.report(JobEvent(), digest)
    attempt.fail(Failure(message="x"))
    JobStore(connection).delete(f"jobs/{attempt.job_id}")
    assert take_apart(connection)
    return digest
