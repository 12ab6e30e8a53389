"""Which job is next: by priority, and on what device."""

from google.protobuf.duration_pb2 import Duration

from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import Failure, JobState, Priority
from convscope.v1.train_pb2 import TrainSpec
from support.api import Api, wait_for

ENDLESS = TrainSpec(iterations=10_000_000, report_interval=1_000)


def test_priorities_decide_which_job_is_next(api: Api) -> None:
    busy = api.create(ENDLESS)
    wait_for(api, busy, "train_progress")
    priorities = [Priority.PRIORITY_LOW, Priority.PRIORITY_UNSPECIFIED, Priority.PRIORITY_HIGH]
    jobs = [api.create(TrainSpec(iterations=0), priority=priority) for priority in priorities]
    assert [job.priority for job in jobs] == [Priority.PRIORITY_LOW, Priority.PRIORITY_NORMAL, Priority.PRIORITY_HIGH]
    api.cancel(busy)
    started = [api.finish(job).start_time.ToNanoseconds() for job in jobs]
    assert started == sorted(started, reverse=True)


def test_a_job_waits_for_its_device(api: Api) -> None:
    waiting = api.create(TrainSpec(iterations=0), device=Device.DEVICE_GPU)
    done = api.finish(api.create(TrainSpec(iterations=0), device=Device.DEVICE_CPU))
    assert (done.state, done.device) == (JobState.JOB_STATE_SUCCEEDED, Device.DEVICE_CPU)
    assert (api.get(waiting).state, waiting.device) == (JobState.JOB_STATE_QUEUED, Device.DEVICE_GPU)
    reason = api.get(waiting).waiting
    assert (reason.no_worker.device, reason.no_worker.cpu_worker_count) == (Device.DEVICE_GPU, 1)
    assert reason.message == "no worker takes gpu jobs: 1 alive, cpu"
    assert api.cancel(waiting).state == JobState.JOB_STATE_CANCELLED


def test_a_job_that_runs_too_long_fails_and_its_worker_continues(api: Api) -> None:
    endless = api.create(ENDLESS, timeout=Duration(seconds=1))
    failed = api.finish(endless)
    assert (failed.state, failed.failure.reason) == (JobState.JOB_STATE_FAILED, Failure.REASON_TIMEOUT)
    ran = failed.end_time.ToMilliseconds() - failed.start_time.ToMilliseconds()
    assert 1_000 <= ran < 10_000  # busy machines
    assert api.finish(api.create(TrainSpec(iterations=0))).state == JobState.JOB_STATE_SUCCEEDED
