"""Who comes next: by priority, and on what device."""

import pytest
import redis
from rq import Queue
from rq.job import Job as Entry

from convscope.store import connect_patiently, open_queue
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import CancelJobRequest, CreateJobRequest, Device, Job, JobSpec, JobState, Priority
from convscope.v1.train_pb2 import TrainSpec
from convscope.worker.supervisor.parent import PartWorker
from support.api import PATIENCE_S, Api, wait_for

ENDLESS = TrainSpec(iterations=10_000_000, report_interval=1_000)


def cancel(api: Api, job: Job) -> Job:
    found = api.jobs.CancelJob(CancelJobRequest(name=job.name), timeout=PATIENCE_S)
    assert isinstance(found, Job)
    return found


def test_priorities_decide_who_comes_next(api: Api) -> None:
    busy = api.create(ENDLESS)
    wait_for(api, busy, "train_progress")
    priorities = [Priority.PRIORITY_LOW, Priority.PRIORITY_UNSPECIFIED, Priority.PRIORITY_HIGH]
    spec = JobSpec(train=TrainSpec(iterations=0))
    jobs = [api.jobs.CreateJob(CreateJobRequest(spec=spec, priority=each)) for each in priorities]
    assert [job.priority for job in jobs] == [Priority.PRIORITY_LOW, Priority.PRIORITY_NORMAL, Priority.PRIORITY_HIGH]
    cancel(api, busy)
    started = [api.finish(job).start_time.ToNanoseconds() for job in jobs]
    assert started == sorted(started, reverse=True)


def test_a_job_waits_for_its_device(api: Api) -> None:
    spec = JobSpec(train=TrainSpec(iterations=0))
    waiting = api.jobs.CreateJob(CreateJobRequest(spec=spec, device=Device.DEVICE_GPU))
    done = api.finish(api.jobs.CreateJob(CreateJobRequest(spec=spec, device=Device.DEVICE_CPU)))
    assert (done.state, done.device) == (JobState.JOB_STATE_SUCCEEDED, Device.DEVICE_CPU)
    assert (api.get(waiting).state, waiting.device) == (JobState.JOB_STATE_QUEUED, Device.DEVICE_GPU)
    assert cancel(api, waiting).state == JobState.JOB_STATE_CANCELLED


class Listing(PartWorker):
    """Notes the queue of everything that it takes, and does nothing."""

    def __init__(self, connection: redis.Redis) -> None:
        super().__init__(connection, "listing")
        self.taken: list[str] = []

    def execute_job(self, job: Entry, queue: Queue) -> None:
        self.taken.append(queue.name.removeprefix("convscope-"))
        job.delete()


@pytest.mark.usefixtures("own_signals")
def test_queues_of_one_priority_take_turns(redis_server: EmbeddedRedis, connection: redis.Redis) -> None:
    for priority, device, count in (("low", "any", 1), ("normal", "any", 2), ("normal", "cpu", 3), ("high", "cpu", 2)):
        for _ in range(count):
            open_queue(connection, priority, device).enqueue("nothing")
    with connect_patiently(redis_server.url) as patient:
        worker = Listing(patient)
        worker.work(burst=True)
    turns = ["normal-cpu", "normal-any", "normal-cpu", "normal-any", "normal-cpu"]
    assert worker.taken == ["high-cpu", "high-cpu", *turns, "low-any"]
