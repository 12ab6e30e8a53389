"""An artifact store that does not answer, or a Redis, holds up nothing that does not need it."""

import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.silent_store import silent_store

from convscope.store import JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis import keys
from convscope.v1.jobs_pb2 import GetJobRequest, JobSpec, ListJobsRequest
from convscope.v1.train_pb2 import TrainSpec
from support.api import Api, connect
from support.service_alone import SERVING, service_alone


@dataclass
class Hanging:
    """A service whose artifact store is silent."""

    api: Api
    process: subprocess.Popen[str]
    redis: psutil.Process
    calls: list[Any]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    """With more calls that wait for the artifact store than the service has threads."""
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder)).running() as server,
        contextlib.closing(redis.Redis.from_url(server.url)) as connection,
        silent_store() as environment,
        service_alone(server.url, tmp_path, **environment) as (address, process),
        connect(address) as api,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)  # else a failure would wait for it
        job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
        JobStore(connection).request_cancel(job.name)
        connection.hset(keys.job_key(job.name.removeprefix("jobs/")), "result", "0" * 64)
        get: Any = api.jobs.GetJob
        calls = [get.future(GetJobRequest(name=job.name), timeout=30) for _ in range(40)]
        assert server.pid is not None
        yield Hanging(api, process, psutil.Process(server.pid), calls)


def test_a_listing_does_not_wait_for_the_store(hanging: Hanging) -> None:
    try:
        for _ in range(10):  # the first may come before the calls that wait
            hanging.api.jobs.ListJobs(ListJobsRequest(), timeout=5)
    except grpc.RpcError as error:
        pytest.fail(str(error.code()))


def test_health_notices_a_frozen_redis(hanging: Hanging) -> None:
    stub = health_pb2_grpc.HealthStub(hanging.api.channel)
    hanging.redis.suspend()
    try:
        deadline = time.monotonic() + 5
        while stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        hanging.redis.resume()


def test_it_ends_when_it_is_told_to(hanging: Hanging) -> None:
    with contextlib.suppress(grpc.RpcError):
        hanging.api.jobs.ListJobs(ListJobsRequest(), timeout=2)  # the calls before are there by now
    hanging.process.send_signal(signal.SIGTERM)
    hanging.process.wait(10)
