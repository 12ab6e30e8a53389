"""An executor that waits for parts is there in milliseconds, and holds nothing up."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest
import redis
from rq import Worker
from rq.job import Job as RqJob

from convscope.store import JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.jobs.attempts import LEASE_MS
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import JobState
from convscope.v1.models_pb2 import GetModelRequest
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import LayerSelection, VisualizeSpec
from support.api import Api, connect
from support.many_parts import by_feature, images
from support.stack import Stack, running_stack
from support.worker_alone import WorkerAlone, eventually, worker_alone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis which is not emptied between the tests."""
    with EmbeddedRedis(tmp_path_factory.mktemp("r")).running() as running:
        yield running


@pytest.fixture(scope="module")
def alone(server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerAlone]:
    """The only worker; the last test of it stops it."""
    with worker_alone(server.url, tmp_path_factory.mktemp("home"), CONVSCOPE_KEEP_WARM="30") as running:
        yield running


@pytest.fixture
def worker(alone: WorkerAlone) -> WorkerAlone:
    """The same, whose executor waits."""
    assert alone.finish(alone.create()).state == JobState.JOB_STATE_SUCCEEDED
    alone.await_waiting()
    return alone


def test_an_executor_that_waits_is_woken_in_milliseconds(worker: WorkerAlone) -> None:
    executor, seconds = worker.executor, []
    for _ in range(5):
        ended = worker.finish(worker.create())
        assert ended.state == JobState.JOB_STATE_SUCCEEDED
        seconds.append((ended.start_time.ToNanoseconds() - ended.create_time.ToNanoseconds()) / 1e9)
        worker.await_waiting()
    assert median(seconds) < 0.1  # an executor that looks by itself does so every five seconds
    assert worker.executor == executor


def test_a_job_that_was_offered_to_an_executor_which_died_is_taken_by_the_next(worker: WorkerAlone) -> None:
    executor = worker.executor
    executor.suspend()
    job = worker.create()
    executor.kill()
    assert worker.finish(job, within_s=10).state == JobState.JOB_STATE_SUCCEEDED
    assert worker.executor != executor


def test_rqs_own_tools_show_workers_and_what_they_do(worker: WorkerAlone, server: EmbeddedRedis) -> None:
    def description() -> str:
        (ours,) = Worker.all(connection=worker.redis, serializer="json")
        assert (ours.pid, ours.get_state()) == (worker.process.pid, "busy")
        (ticket,) = ours.queues[0].started_job_registry.get_job_ids()
        return str(RqJob.fetch(ticket, worker.redis, "json").description)

    eventually(lambda: description() == "waits for parts", 5)
    job = worker.create(1_000_000)
    worker.await_event(job, "train_progress")
    assert description() == f"computes {job.name} (train)"
    JobStore(worker.redis).request_cancel(job.name)
    worker.finish(job)
    worker.await_waiting()
    eventually(lambda: description() == "waits for parts", 5)
    command = [str(Path(sys.executable).with_name("rq")), "info", "--url", server.url]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert f" {worker.process.pid})" in shown
    assert "1 workers, 1 queues" in shown


def test_a_death_is_reported_at_once_though_rq_has_forgotten_the_ticket(worker: WorkerAlone) -> None:
    job = worker.create(1_000_000)
    worker.await_event(job, "train_progress")
    for name in worker.redis.scan_iter("rq:*"):
        worker.redis.delete(name)
    executor, killed_at = worker.executor, time.monotonic()
    executor.kill()
    worker.await_event(job, "attempt_lost")
    assert time.monotonic() - killed_at < LEASE_MS / 1000 - 2  # long before its lease expires
    eventually(lambda: [event.WhichOneof("event") for event in worker.log(job)].count("attempt_started") == 2)
    assert worker.executor != executor
    JobStore(worker.redis).request_cancel(job.name)
    worker.finish(job)


def test_executors_that_wait_give_way_at_once_and_leave_what_comes_to_others(
    worker: WorkerAlone, server: EmbeddedRedis
) -> None:
    with worker_alone(server.url, worker.home, "--finish", CONVSCOPE_KEEP_WARM="30") as other:
        executor = worker.executor
        worker.process.terminate()
        job = worker.create()
        assert other.finish(job).state == JobState.JOB_STATE_SUCCEEDED
        executor.wait(2)
        assert worker.process.wait(2) == 0
        assert other.finish(worker.create()).state == JobState.JOB_STATE_SUCCEEDED  # the first was perhaps the worker's
        other.await_waiting()
        executor = other.executor
        other.process.terminate()
        executor.wait(2)
        assert other.process.wait(2) == 0
        assert not other.redis.keys("convscope:waiting:*")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["suspend", "kill"])
@pytest.mark.parametrize("iterations", [0, 1_000_000])
def test_a_worker_stops_though_redis_is_away(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, how: str, iterations: int
) -> None:
    with (
        EmbeddedRedis(tmp_path_factory.mktemp("r")).running() as server,
        worker_alone(server.url, tmp_path, CONVSCOPE_KEEP_WARM="30") as alone,
    ):
        job = alone.create(iterations)
        alone.await_event(job, "train_progress" if iterations else "finished")
        executor = alone.executor
        away = psutil.Process(alone.redis.info("server")["process_id"])
        getattr(away, how)()
        alone.process.terminate()
        assert alone.process.wait(10) == 0
        executor.wait(2)
        away.kill()


def test_an_executor_ends_when_nothing_came_for_its_time(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    with worker_alone(redis_server.url, tmp_path, CONVSCOPE_KEEP_WARM="1") as alone:
        alone.finish(alone.create())
        alone.await_waiting()
        executor = alone.executor
        assert eventually(lambda: not connection.zcard("convscope:waiting:cpu")) < 3
        eventually(lambda: connection.exists("convscope:idle:cpu"))
        assert alone.finish(alone.create()).state == JobState.JOB_STATE_SUCCEEDED
        assert alone.executor != executor


@pytest.mark.slow
def test_warm_and_cold_executors_give_the_same_bits(pair: Stack, pair_api: Api) -> None:
    warming = [outcome(pair_api, seed) for seed in (11, 12)]
    assert warming[0] != warming[1]
    with (
        running_stack(environment={"CONVSCOPE_THREADS": "1", "CONVSCOPE_KEEP_WARM": "0"}) as cold,
        connect(cold.address) as cold_api,
    ):
        assert outcome(cold_api, 13) == outcome(pair_api, 13)


def outcome(api: Api, seed: int) -> dict[str, object]:
    """Return the outcomes of a training, an evaluation and a visualization."""
    trained = api.finish(api.create(TrainSpec(iterations=20, seed=seed)))
    evaluated = api.finish(api.create(EvaluateSpec(model=trained.model)))
    spec = VisualizeSpec(
        model=trained.model, selections=[LayerSelection(name="logits")], iterations=5, seed=seed, recompute=True
    )
    visualized = api.watch(api.create(spec))
    return {
        "weights": api.models.GetModel(GetModelRequest(name=trained.model)).digest.sha256,
        "confusion": list(evaluated.result.evaluate.confusion_matrix.data),
        "pixels": {feature: image.best.pixels.data for feature, image in by_feature(images(visualized)).items()},
    }
