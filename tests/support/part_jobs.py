"""Jobs of many parts, as tests need them."""

import redis

from convscope.store import Attempt, Image, JobStore, dispatch, open_queue, queue_names, read_log
from convscope.store.jobs.queue import queued_parts
from convscope.v1.jobs_pb2 import Device, Job, JobEvent, JobSpec, JobState, Priority
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureImage, ImageReady, VisualizeSpec

__all__ = ["CPU", "claim", "create", "image", "kinds", "pop", "ready_model", "state", "take", "waiting"]

CPU = queue_names("cpu")


def ready_model(connection: redis.Redis) -> str:
    """A model that can be used."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    claim(connection, job).succeed("", Model(sha256="file"))
    return job.model


def create(
    connection: redis.Redis,
    parts: int,
    *,
    model: str = "",
    priority: Priority.ValueType = Priority.PRIORITY_NORMAL,
    device: Device.ValueType = Device.DEVICE_ANY,
) -> Job:
    """A job of many parts, its first one dispatched."""
    job, _ = JobStore(connection).create(
        JobSpec(visualize=VisualizeSpec(model=model)),
        request_digest="d",
        needs=model,
        priority=priority,
        device=device,
        parts=parts,
        plan="plan",
    )
    dispatch(connection, job.name.removeprefix("jobs/"))
    return job


def take(connection: redis.Redis, job: Job, part: int = 0, worker: str = "w", entry: str = "") -> Attempt | None:
    job_id = job.name.removeprefix("jobs/")
    return Attempt.claim(connection, job_id, part, worker=worker, environment={}, entry=entry)


def claim(connection: redis.Redis, job: Job, part: int = 0, worker: str = "w", entry: str = "") -> Attempt:
    attempt = take(connection, job, part, worker, entry)
    assert attempt is not None
    return attempt


def image(number: int, blob: str = "", *, known: bool = False) -> Image:
    """An image, named by its number."""
    event = ImageReady(image=FeatureImage(layer="conv1", feature=number), total=100, known=known)
    return Image(number=number, name=f"name{number}", event=JobEvent(image_ready=event), blob=blob)


def kinds(connection: redis.Redis, job: Job) -> list[str | None]:
    entries = read_log(connection, job.name.removeprefix("jobs/"), 0, 1000).entries
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    return [JobEvent.FromString(entry.event).WhichOneof("event") for entry in entries]


def waiting(connection: redis.Redis, job: Job) -> list[int]:
    """Parts of the job that are on a queue."""
    return sorted(part for job_id, part in queued_parts(connection) if f"jobs/{job_id}" == job.name)


def pop(connection: redis.Redis) -> int:
    """Take the first part off the queue, as a worker does."""
    entry: bytes = connection.lpop(open_queue(connection).key)  # type: ignore[assignment]
    return int(entry.decode().partition("-")[2])


def state(connection: redis.Redis, job: Job) -> JobState.ValueType:
    return JobStore(connection).get(job.name).state
