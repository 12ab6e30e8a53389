"""Which workers compute, and why a job waits, as callers see it."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import redis

from convscope.store import JobStore, WorkerReport, WorkerStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import KEYS, key
from convscope.store.workers import SILENT_MS
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import CancelJobRequest, Job, JobSpec, JobState, Waiting
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from convscope.v1.workers_pb2 import ListWorkersRequest, Worker, WorkerFilter, WorkerState
from support.api import PATIENCE_S, Api, connect, wait_for
from support.part_jobs import create, take
from support.service_alone import service_alone


def listed(api: Api) -> list[Worker]:
    return list(api.workers.ListWorkers(ListWorkersRequest(), timeout=PATIENCE_S).workers)


def only(api: Api) -> Worker:
    (worker,) = listed(api)
    return worker


def executor(worker: Worker) -> psutil.Process:
    (executor,) = psutil.Process(worker.process_id).children()
    return executor


def test_a_worker_is_listed_with_what_it_does(api: Api) -> None:
    assert api.finish(api.create(TrainSpec(iterations=0))).state == JobState.JOB_STATE_SUCCEEDED
    idle = only(api)
    assert (idle.state, idle.warm, idle.job, idle.part) == (WorkerState.WORKER_STATE_IDLE, True, "", 0)
    assert (idle.device, bool(idle.host), bool(idle.version)) == (Device.DEVICE_CPU, True, True)
    assert idle.thread_count >= 1
    assert 0 < idle.start_time.ToMilliseconds() < idle.heartbeat_time.ToMilliseconds()
    warm = executor(idle)
    job = api.create(TrainSpec(iterations=10_000_000, report_interval=1_000))
    wait_for(api, job, "train_progress")
    busy = only(api)
    assert (busy.name, busy.state, busy.warm) == (idle.name, WorkerState.WORKER_STATE_BUSY, False)
    assert (busy.job, busy.part) == (job.name, 0)
    assert busy.start_time == idle.start_time
    assert executor(busy) == warm  # which waited for it
    api.jobs.CancelJob(CancelJobRequest(name=job.name))
    assert api.finish(job).state == JobState.JOB_STATE_CANCELLED
    assert only(api).state == WorkerState.WORKER_STATE_IDLE


@pytest.fixture(scope="module")
def lone_address(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service without workers but those that a test makes up."""
    with service_alone(redis_server.url, tmp_path_factory.mktemp("home")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def lone_api(lone_address: str) -> Iterator[Api]:
    """The same service."""
    with connect(lone_address) as api:
        yield api


def report(
    connection: redis.Redis, name: str, device: str = "cpu", *, idle: bool = False, draining: bool = False
) -> None:
    WorkerStore(connection).report(WorkerReport(name=name, device=device, idle=idle, draining=draining))


def waiting(api: Api, job: Job) -> Waiting:
    return api.get(job).waiting


def test_a_silent_worker_is_listed_without_what_may_be_outdated(connection: redis.Redis, lone_api: Api) -> None:
    job = create(connection, 3)
    for name in ("computes", "waits"):
        report(connection, name)
    assert take(connection, "computes") is not None
    computes, waits = listed(lone_api)
    assert (computes.state, computes.warm, computes.job) == (WorkerState.WORKER_STATE_BUSY, False, job.name)
    assert (waits.state, waits.warm, waits.job) == (WorkerState.WORKER_STATE_IDLE, True, "")
    for name in ("computes", "waits"):
        last_seen = int(connection.hget(key("worker", name), "seen") or 0) - SILENT_MS - 1000
        connection.hset(key("worker", name), "seen", last_seen)
        connection.zadd(KEYS["workers"], {name: last_seen})
    for worker in listed(lone_api):
        assert (worker.state, worker.warm, worker.job) == (WorkerState.WORKER_STATE_SILENT, False, "")


def test_a_worker_that_is_to_stop_is_listed_with_what_it_still_computes(connection: redis.Redis, lone_api: Api) -> None:
    job = create(connection, 1)
    for name in ("computes", "waits"):
        report(connection, name, draining=True)
    assert take(connection, "computes") is not None
    computes, waits = listed(lone_api)
    draining = WorkerState.WORKER_STATE_DRAINING
    assert [(worker.state, worker.job) for worker in (computes, waits)] == [(draining, job.name), (draining, "")]
    assert not waits.warm


def test_workers_are_filtered(connection: redis.Redis, lone_api: Api) -> None:
    cpu, gpu = Device.DEVICE_CPU, Device.DEVICE_GPU
    idle, stops = WorkerState.WORKER_STATE_IDLE, WorkerState.WORKER_STATE_DRAINING
    for name, device, draining in (("a", "cpu", False), ("b", "gpu", False), ("c", "gpu", True)):
        report(connection, name, device, draining=draining)

    def names_of(devices: Sequence[Device.ValueType], states: Sequence[WorkerState.ValueType]) -> str:
        request = ListWorkersRequest(filter=WorkerFilter(devices=devices, states=states))
        workers = lone_api.workers.ListWorkers(request, timeout=PATIENCE_S).workers
        return "".join(worker.name.removeprefix("workers/") for worker in workers)

    assert [names_of([], []), names_of([gpu], []), names_of([cpu, gpu], [])] == ["abc", "bc", "abc"]
    assert [names_of([], [idle]), names_of([gpu], [idle]), names_of([cpu], [stops])] == ["ab", "b", ""]


def test_workers_are_listed_in_pages(connection: redis.Redis, lone_api: Api) -> None:
    report(connection, "of any.Name/%")
    names = ["workers/of%20any.Name%2F%25", *(f"workers/w{number}" for number in range(5))]
    for name in names[1:]:
        report(connection, name.removeprefix("workers/"))
    listed: list[str] = []
    token = ""
    while token or not listed:
        page = lone_api.workers.ListWorkers(ListWorkersRequest(page_size=2, page_token=token), timeout=PATIENCE_S)
        assert 1 <= len(page.workers) <= 2
        listed += [worker.name for worker in page.workers]
        token = page.next_page_token
    assert listed == names


def test_a_job_waits_for_a_worker_that_is_not_there(connection: redis.Redis, lone_api: Api) -> None:
    job = create(connection, 1, device=Device.DEVICE_GPU)
    anywhere = create(connection, 1)
    for waiting_job in (job, anywhere):
        assert waiting(lone_api, waiting_job).WhichOneof("reason") == "no_worker"
        assert "no worker is alive" in waiting(lone_api, waiting_job).message
    for name in ("a", "b"):
        report(connection, name, idle=True)
    reason = waiting(lone_api, job)
    assert (reason.no_worker.cpu_worker_count, reason.no_worker.gpu_worker_count) == (2, 0)
    assert reason.message == "no worker takes gpu jobs: 2 alive, both cpu"
    assert waiting(lone_api, anywhere).WhichOneof("reason") == "backlog"
    report(connection, "c", "gpu", idle=True)
    assert waiting(lone_api, job).WhichOneof("reason") == "backlog"


def test_the_command_line_says_within_5_s_why_a_job_waits(connection: redis.Redis, lone_address: str) -> None:
    for name in ("a", "b"):
        report(connection, name, idle=True)
    program = str(Path(sys.executable).with_name("convscope"))
    train = [program, "train", "--device", "gpu", "--address", lone_address]
    with subprocess.Popen(train, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        submitted = process.stderr.readline().split()
        submitted_at = time.monotonic()
        while "no worker takes gpu jobs: 2 alive, both cpu" not in (line := process.stderr.readline()):
            assert line, "the command has ended"
        assert time.monotonic() - submitted_at < 5
        shown = subprocess.run(
            [program, "jobs", "show", submitted[1], "--address", lone_address],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        )
        process.kill()
    assert "no worker takes gpu jobs: 2 alive, both cpu" in " ".join(shown.stdout.split())


def test_a_job_waits_behind_others(connection: redis.Redis, lone_api: Api) -> None:
    report(connection, "w", idle=True)
    ahead = [create(connection, 7) for _ in range(3)]
    job = create(connection, 2)
    assert waiting(lone_api, job).backlog.part_count == 3  # one of each
    assert waiting(lone_api, job).backlog.duration.ToMilliseconds() == 3_000  # of a second each, by estimate
    assert take(connection) is not None
    assert waiting(lone_api, job).backlog.part_count == 2
    assert not lone_api.get(ahead[0]).HasField("waiting")
    for job_ahead in ahead:
        lone_api.jobs.CancelJob(CancelJobRequest(name=job_ahead.name))
    assert (waiting(lone_api, job).backlog.part_count, waiting(lone_api, job).message) == (0, "is next")


def test_a_job_waits_for_its_model(connection: redis.Redis, lone_api: Api) -> None:
    report(connection, "w", idle=True)
    training, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    spec = JobSpec(visualize=VisualizeSpec(model=training.model))
    job, _ = JobStore(connection).create(spec, request_digest="d", needs=training.model)
    assert (waiting(lone_api, job).WhichOneof("reason"), waiting(lone_api, job).resource) == (
        "resource",
        training.model,
    )
    lone_api.jobs.CancelJob(CancelJobRequest(name=job.name))
    assert not lone_api.get(job).HasField("waiting")
