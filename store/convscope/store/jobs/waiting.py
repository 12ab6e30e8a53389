"""Why a job waits: for a model, for a worker that does not exist, or behind others."""

from collections.abc import Sequence
from typing import Final

import redis

from convscope.store.redis.keys import KEYS
from convscope.store.workers import WorkerRecord, WorkerStore
from convscope.v1.jobs_pb2 import Backlog, Device, Job, JobState, NoWorker, Priority, Waiting

__all__ = ["waiting_reason"]

# From the first to be claimed to the last.
PRIORITIES: Final = ("high", "normal", "low")


def waiting_reason(connection: redis.Redis, job: Job) -> Waiting | None:
    """Return why a job waits as of now; None if it does not."""
    if job.state == JobState.JOB_STATE_WAITING:
        return job.waiting
    if job.state != JobState.JOB_STATE_QUEUED:
        return None
    workers = [worker for worker in WorkerStore(connection).list() if not worker.silent]
    takers = [worker for worker in workers if job.device == Device.DEVICE_ANY or worker.device == _device(job)]
    if not takers:
        return _no_worker(job, workers)
    return _backlog(connection, job, len(takers))


def _device(job: Job) -> str:
    return Device.Name(job.device).removeprefix("DEVICE_").lower()


def _no_worker(job: Job, workers: Sequence[WorkerRecord]) -> Waiting:
    counts = {device: sum(worker.device == device for worker in workers) for device in ("cpu", "gpu")}
    reason = NoWorker(device=job.device, cpu_worker_count=counts["cpu"], gpu_worker_count=counts["gpu"])
    if not workers:
        return Waiting(message="no worker is alive; start one: convscope worker", no_worker=reason)
    other = "cpu" if _device(job) == "gpu" else "gpu"
    all_of_them = {1: "", 2: "both "}.get(len(workers), "all ")
    message = f"no worker takes {_device(job)} jobs: {len(workers)} alive, {all_of_them}{other}"
    return Waiting(message=message, no_worker=reason)


def _backlog(connection: redis.Redis, job: Job, takers: int) -> Waiting:
    """Return what is ahead: what is at least as urgent and may run on the same workers, without the job itself."""
    priority = Priority.Name(job.priority).removeprefix("PRIORITY_").lower()
    devices = ("any", "cpu", "gpu") if job.device == Device.DEVICE_ANY else ("any", _device(job))
    names = [f"{each}:{device}" for each in PRIORITIES[: PRIORITIES.index(priority) + 1] for device in devices]
    fields = [f"{what}:{name}" for what in ("parts", "seconds") for name in names]
    values = [float(value or 0) for value in connection.hmget(KEYS["backlog"], fields)]
    parts = max(0, round(sum(values[: len(names)])) - (job.estimate.part_count - job.ended_part_count))
    seconds = sum(values[len(names) :]) * parts / max(1.0, sum(values[: len(names)])) / takers
    backlog = Backlog(part_count=parts)
    backlog.duration.FromMilliseconds(round(seconds * 1000))
    if not parts:
        return Waiting(message="is next", backlog=backlog)
    return Waiting(message=f"up to {parts} parts are ahead of it, about {seconds:.0f} s of work", backlog=backlog)
