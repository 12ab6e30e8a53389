"""Broken parts: each gives a reason that a person understands, and harms nothing else."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.store import WorkerStore
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, JobState
from convscope.v1.models_pb2 import ExportModelRequest, GetModelRequest
from convscope.v1.train_pb2 import Activation, Adam, Dense, Network, TrainSpec
from convscope.v1.visualize_pb2 import LayerSelection, VisualizeSpec
from support.api import Api, connect, wait_for
from support.part_jobs import ready
from support.service_alone import service_alone
from support.stack import Stack, running_stack
from support.worker_alone import worker_alone

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def workers(stack: Stack) -> list[psutil.Process]:
    """Return the workers of a convscope, without their executors."""
    beside = psutil.Process(stack.process.pid).children()
    return [process for process in beside if "convscope.worker" in process.cmdline()]


def process_of(stack: Stack, worker: str) -> int:
    """Return the process id of a worker."""
    with redis.Redis.from_url(stack.redis_url) as connection:
        [record] = [record for record in WorkerStore(connection).list() if f"workers/{record.name}" == worker]
    return record.process_id


@contextlib.contextmanager
def alone(stack: Stack, parent: psutil.Process) -> Iterator[None]:
    """Suspend the other workers."""
    others = [worker for worker in workers(stack) if worker != parent]
    others += [executor for worker in others for executor in worker.children()]
    for process in others:
        process.suspend()
    try:
        yield
    finally:
        for process in others:
            process.resume()


def test_a_computation_that_diverges_fails_with_its_reason(pair: Stack, pair_api: Api) -> None:
    good = pair_api.create(TrainSpec(iterations=50))
    deep = Network(dense=[Dense(units=128, activation=Activation.ACTIVATION_LINEAR)] * 12)
    bad = pair_api.create(TrainSpec(iterations=5000, adam=Adam(learning_rate=1.0), network=deep))
    failed = pair_api.finish(bad)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.failure.reason == Failure.REASON_COMPUTATION
    assert "learning rate" in failed.failure.message
    assert bad.name in pair.log
    assert "Traceback" in pair.log
    assert pair_api.finish(good).state == JobState.JOB_STATE_SUCCEEDED


def test_a_damaged_model_is_never_used(pair: Stack, pair_api: Api) -> None:
    job = pair_api.finish(pair_api.create(TrainSpec(iterations=0, seed=123)))
    model = pair_api.models.GetModel(GetModelRequest(name=job.model))
    (file,) = pair.home.glob(f"artifacts/blobs/*/{model.digest.sha256}")
    good = file.read_bytes()
    file.write_bytes(good[:-1])
    try:
        failed = pair_api.finish(pair_api.create(EvaluateSpec(model=job.model)))
        assert failed.failure.reason == Failure.REASON_MODEL
        assert f"artifact {model.digest.sha256}" in failed.failure.message
        assert "damaged" in failed.failure.message
        with pytest.raises(grpc.RpcError) as caught:
            list(pair_api.models.ExportModel(ExportModelRequest(name=job.model)))
        assert caught.value.code() == grpc.StatusCode.DATA_LOSS
    finally:
        file.write_bytes(good)
    assert pair_api.finish(pair_api.create(EvaluateSpec(model=job.model))).state == JobState.JOB_STATE_SUCCEEDED


def test_a_store_that_cannot_be_written_fails_the_job(pair: Stack, pair_api: Api) -> None:
    blobs = pair.home / "artifacts" / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    aside = blobs.rename(blobs.with_name("aside"))
    blobs.write_text("a file where the folder should be, as on a disk that is full")
    try:
        failed = pair_api.finish(pair_api.create(TrainSpec(iterations=1)))
    finally:
        blobs.unlink()
        aside.rename(blobs)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.failure.reason == Failure.REASON_STORAGE
    assert "cannot write artifacts" in failed.failure.message
    assert not [path for path in blobs.rglob("*") if path.is_file() and len(path.name) != 64]  # nothing half-written
    assert pair_api.finish(pair_api.create(TrainSpec(iterations=1))).state == JobState.JOB_STATE_SUCCEEDED


@pytest.mark.slow
def test_a_worker_that_finishes_first(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with service_alone(redis_server.url, tmp_path) as (address, _), connect(address) as api:
        with worker_alone(redis_server.url, tmp_path, "--finish") as worker:
            job = api.create(TrainSpec(iterations=200))
            wait_for(api, job, "train_progress")
            worker.process.terminate()
            assert worker.process.wait(60) == 0
        events = [event.WhichOneof("event") for event in api.watch(job)]
        assert events.count("attempt_started") == 1
        assert api.get(job).state == JobState.JOB_STATE_SUCCEEDED


def test_a_worker_that_stops_gives_its_job_back(pair: Stack, pair_api: Api) -> None:
    job = pair_api.create(TrainSpec(iterations=150, report_interval=10))
    started = wait_for(pair_api, job, "attempt_started").attempt_started
    wait_for(pair_api, job, "train_progress")
    parent = next(worker for worker in workers(pair) if worker.pid == process_of(pair, started.worker))
    with alone(pair, parent), redis.Redis.from_url(pair.redis_url) as connection:
        for _ in range(3):
            parent.send_signal(signal.SIGTERM)
        parent.wait(30)
        assert ready(connection) == 1
    ended = pair_api.finish(job)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED
    events = list(pair_api.watch(job))
    attempts = [event.attempt_started for event in events if event.HasField("attempt_started")]
    assert [attempt.attempt for attempt in attempts] == [1, 2]
    assert attempts[0].worker != attempts[1].worker


def test_a_stopping_service_ends_watches_so_that_they_are_resumed(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with service_alone(redis_server.url, tmp_path) as (address, process), connect(address) as api:
        watch = api.watch(api.create(TrainSpec(iterations=0)))
        assert next(iter(watch)).HasField("queued")
        stub = health_pb2_grpc.HealthStub(api.channel)
        health = stub.Watch(health_pb2.HealthCheckRequest(), timeout=30)
        assert next(health).status == SERVING
        process.send_signal(signal.SIGTERM)
        assert next(health).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            list(watch)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert process.wait(10) == 0


def run_module(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_address_in_use_is_reported(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_module(
            "convscope.service",
            "--listen",
            address,
            CONVSCOPE_REDIS_URL=redis_server.url,
            CONVSCOPE_HOME=str(tmp_path),
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"convscope serve: cannot listen on {address}: ")


def test_an_unprotected_address_is_refused(tmp_path: Path) -> None:
    done = run_module("convscope.service", "--listen", "0.0.0.0:0", CONVSCOPE_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "CONVSCOPE_TLS_CERT, CONVSCOPE_TLS_KEY and CONVSCOPE_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["convscope.service", "convscope.worker", "convscope.service.up"])
def test_a_bad_setting_is_one_line(module: str) -> None:
    done = run_module(module, CONVSCOPE_REDIS_URL="http://nowhere")
    assert done.returncode == 2
    assert "CONVSCOPE_REDIS_URL is 'http://nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_refuses_a_setting_in_one_line() -> None:
    done = run_module("convscope.worker", CONVSCOPE_MEMORY="2GB")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "CONVSCOPE_MEMORY is '2GB'" in done.stderr
    done = run_module("convscope.worker", "--memory", "2GB")
    assert done.returncode == 2
    assert "argument --memory: '2GB' is" in done.stderr


@pytest.mark.slow
def test_a_worker_with_little_memory_cuts_its_batches() -> None:
    with running_stack(environment={"CONVSCOPE_MEMORY": "3MiB", "CONVSCOPE_THREADS": "2"}) as stack:
        with connect(stack.address) as api:
            training = api.create(TrainSpec(iterations=2))
            spec = VisualizeSpec(model=training.model, iterations=2, selections=[LayerSelection(name="conv2")])
            events = list(api.watch(api.create(spec)))
        assert sum(event.HasField("image_ready") for event in events) == 36
        assert "more than the 3 MiB of this worker; continuing with 1 x 3" in stack.log


def test_a_redis_that_evicts_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("r")
    with EmbeddedRedis(directory).running() as server:
        connection = redis.Redis.from_url(server.url)
        connection.config_set("maxmemory-policy", "allkeys-lru")
        connection.close()
        for module in ("convscope.service", "convscope.worker"):
            done = run_module(module, CONVSCOPE_REDIS_URL=server.url, CONVSCOPE_HOME=str(directory))
            assert done.returncode == 2
            assert "config set maxmemory-policy noeviction" in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr


def test_a_stack_that_is_stopped_at_once_ends_soon_and_leaves_nothing_behind() -> None:
    with running_stack(workers=2) as stack, connect(stack.address) as api:
        job = api.create(TrainSpec(iterations=1_000_000))
        wait_for(api, job, "attempt_started")  # its executor does not listen yet
        processes = psutil.Process(stack.process.pid).children(recursive=True)
        assert len(processes) >= 5  # Redis, the service, two workers, an executor
        started = time.monotonic()
        assert stack.stop() == 0
        assert time.monotonic() - started < 12
        assert "is killed" not in stack.log
        assert "Traceback" not in stack.log
        living = [process for process in processes if process.is_running()]
    assert not [process for process in living if process.status() != psutil.STATUS_ZOMBIE]


def test_nothing_outlives_a_killed_owner() -> None:
    with running_stack() as stack, connect(stack.address) as api:
        job = api.create(TrainSpec(iterations=1_000_000))
        wait_for(api, job, "train_progress")
        processes = psutil.Process(stack.process.pid).children(recursive=True)
        stack.process.kill()
        stack.process.wait()
        _, alive = psutil.wait_procs(processes, timeout=20)
        assert not alive
