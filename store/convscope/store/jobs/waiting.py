"""Why a job waits: for a model, for a worker that does not exist, or behind others."""

from collections.abc import Sequence

import redis

from convscope.store.jobs.records import device_name
from convscope.store.jobs.turns import ahead_of
from convscope.store.workers import WorkerRecord, WorkerStore
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import Backlog, Job, JobState, NoWorker, Waiting

__all__ = ["waiting_reason"]


def waiting_reason(connection: redis.Redis, job: Job) -> Waiting | None:
    """Return why a job waits now; None if it does not wait."""
    if job.state == JobState.JOB_STATE_WAITING:
        return job.waiting
    if job.state != JobState.JOB_STATE_QUEUED:
        return None
    workers = [worker for worker in WorkerStore(connection).list() if not worker.silent]
    takers = [
        worker for worker in workers if job.device == Device.DEVICE_ANY or worker.device == device_name(job.device)
    ]
    if not takers:
        return _no_worker(job, workers)
    return _backlog(connection, job, len(takers))


def _no_worker(job: Job, workers: Sequence[WorkerRecord]) -> Waiting:
    counts = {device: sum(worker.device == device for worker in workers) for device in ("cpu", "gpu")}
    reason = NoWorker(device=job.device, cpu_worker_count=counts["cpu"], gpu_worker_count=counts["gpu"])
    if not workers:
        return Waiting(message="no worker is alive; start one: convscope worker", no_worker=reason)
    other = "cpu" if device_name(job.device) == "gpu" else "gpu"
    all_of_them = {1: "", 2: "both "}.get(len(workers), "all ")
    message = f"no worker takes {device_name(job.device)} jobs: {len(workers)} alive, {all_of_them}{other}"
    return Waiting(message=message, no_worker=reason)


def _backlog(connection: redis.Redis, job: Job, takers: int) -> Waiting:
    ahead = ahead_of(connection, job)
    seconds = ahead.seconds / takers
    backlog = Backlog(part_count=ahead.parts)
    backlog.duration.FromMilliseconds(round(seconds * 1000))
    if not ahead.parts:
        return Waiting(message="is next", backlog=backlog)
    parts = "1 part is" if ahead.parts == 1 else f"{ahead.parts} parts are"
    return Waiting(message=f"{parts} ahead of it, about {seconds:.0f} s of work", backlog=backlog)
