"""While Redis is away nothing is lost, and services and clients say so."""

import contextlib
import time

import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2

from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import Job, JobState, ListJobsRequest
from convscope.v1.train_pb2 import TrainSpec
from support.api import PATIENCE_S, connect, wait_for
from support.service_alone import await_health, service_alone
from support.worker_alone import worker_alone

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_without_redis_the_service_says_so_and_recovers(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("r")
    server = EmbeddedRedis(directory)
    with service_alone(server.url, directory) as (address, _), connect(address) as api:
        await_health(api, NOT_SERVING)
        for _ in range(2):
            for call in (
                lambda: api.create(TrainSpec(iterations=0)),
                lambda: api.jobs.ListJobs(ListJobsRequest(), timeout=PATIENCE_S),
                lambda: list(api.watch(Job(name="jobs/x"))),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    call()
                assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
                assert "Redis" in (caught.value.details() or "")
            with server.running():
                await_health(api, SERVING)
                job = api.create(TrainSpec(iterations=0))
                assert job.state == JobState.JOB_STATE_QUEUED
                watch = api.watch(job)
                assert next(iter(watch)).HasField("queued")
            with pytest.raises(grpc.RpcError) as caught:  # the watch that was open when Redis went away
                list(watch)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
            await_health(api, NOT_SERVING)


def test_a_redis_that_takes_no_writes_is_like_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("r")
    with (
        EmbeddedRedis(directory).running() as server,
        service_alone(server.url, directory) as (address, _),
        connect(address) as api,
        contextlib.closing(redis.Redis.from_url(server.url)) as admin,
    ):
        job = api.create(TrainSpec(iterations=0))
        await_health(api, SERVING)
        admin.replicaof("127.0.0.1", 1)  # where no server is
        await_health(api, NOT_SERVING)
        with pytest.raises(grpc.RpcError) as caught:
            api.create(TrainSpec(iterations=0))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "Redis cannot be used right now: it takes no writes: READONLY" in (caught.value.details() or "")
        assert api.get(job).state == JobState.JOB_STATE_QUEUED  # reading continues
        admin.replicaof("no", "one")
        await_health(api, SERVING)
        assert api.create(TrainSpec(iterations=0)).state == JobState.JOB_STATE_QUEUED


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_half_a_minute_without_redis_costs_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("r")
    server = EmbeddedRedis(directory)
    server.start()
    with (
        service_alone(server.url, directory) as (address, service),
        connect(address) as api,
        worker_alone(server.url, directory) as worker,
    ):
        job = api.create(TrainSpec(iterations=2_000, report_interval=500))
        wait_for(api, job, "train_progress")
        server.stop()
        time.sleep(30)  # longer than the training takes
        assert service.poll() is None
        assert worker.process.poll() is None
        with server.running():
            await_health(api, SERVING)
            assert api.finish(job).state == JobState.JOB_STATE_SUCCEEDED
            events = [event.WhichOneof("event") for event in api.watch(job)]
            assert events.count("attempt_started") == 1
            assert events.count("train_progress") == 5
            worker.process.terminate()
            worker.process.wait(30)
