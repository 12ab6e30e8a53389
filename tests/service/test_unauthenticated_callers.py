"""Callers without token cannot make the service hold much, nor hold up others."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.http2 import Caller
from benchmarks.unauthenticated_callers import MIB, peak_memory, strain
from convscope.service.server import GRACE_S
from convscope.service.server_info import MAX_REQUEST_BYTES
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import CreateJobRequest
from support.api import connect, refused
from support.service_alone import NOT_SERVING, SERVING, await_health, service_alone

# What all callers without token together may make the service hold, in bytes.
BOUND = 50 * MIB

WATCH = "/grpc.health.v1.Health/Watch"


def test_callers_without_token_cannot_make_it_hold_much(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with service_alone(redis_server.url, tmp_path, CONVSCOPE_TOKEN="t") as (address, process):
        before = peak_memory(process.pid)
        assert grpc.StatusCode.OK not in strain(address)
        assert peak_memory(process.pid) - before < BOUND
        with connect(address) as api:
            await_health(api, SERVING)


@pytest.mark.parametrize("token", ["", "t"])
def test_a_request_has_at_most_four_mebibytes(redis_server: EmbeddedRedis, tmp_path: Path, token: str) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    request = CreateJobRequest(request_id="x" * MAX_REQUEST_BYTES)
    with service_alone(redis_server.url, tmp_path, CONVSCOPE_TOKEN=token) as (address, _), connect(address) as api:
        error = refused(lambda: api.jobs.CreateJob(request, metadata=metadata, timeout=30))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        smaller = CreateJobRequest(request_id="x" * (MAX_REQUEST_BYTES - 100))
        error = refused(lambda: api.jobs.CreateJob(smaller, metadata=metadata, timeout=30))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
def redis_process() -> Iterator[tuple[str, psutil.Process]]:
    """The URL and process of a Redis that can be stopped."""
    with tempfile.TemporaryDirectory(prefix="cs-") as folder, EmbeddedRedis(Path(folder)).running() as server:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        yield server.url, process
        process.resume()


def test_a_watcher_of_health_that_does_not_read_holds_up_no_other(
    redis_process: tuple[str, psutil.Process], tmp_path: Path
) -> None:
    url, stopped = redis_process
    with (
        service_alone(url, tmp_path, CONVSCOPE_TOKEN="t") as (address, process),
        connect(address) as api,
        Caller(address, window=0) as caller,
    ):
        for number in range(20):
            caller.call(2 * number + 1, WATCH, bytes(5))
        caller.send()
        await_health(api, SERVING)
        stopped.suspend()
        await_health(api, NOT_SERVING)
        stopped.resume()
        await_health(api, SERVING)
        process.terminate()
        assert process.wait(GRACE_S + 1) == 0


def test_two_watchers_of_health_both_hear_of_changes(redis_process: tuple[str, psutil.Process], tmp_path: Path) -> None:
    url, stopped = redis_process
    with service_alone(url, tmp_path) as (address, _), connect(address) as api:
        stub = health_pb2_grpc.HealthStub(api.channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=30) for _ in range(2)]
        assert [next(watch).status for watch in watches] == [SERVING, SERVING]
        watches.pop(0).cancel()
        watches.append(stub.Watch(health_pb2.HealthCheckRequest(), timeout=30))
        assert next(watches[1]).status == SERVING
        stopped.suspend()
        assert [next(watch).status for watch in watches] == [NOT_SERVING, NOT_SERVING]
