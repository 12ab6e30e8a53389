"""A Redis or an artifact store that hangs takes nothing along that could do without it."""

import contextlib
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc
import psutil
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.service.server import GRACE_S
from convscope.store import Attempt, Claimant, JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import KEYS, key
from convscope.v1.images_pb2 import ListImagesRequest
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    JobEvent,
    JobSpec,
    ListJobsRequest,
    WatchJobRequest,
)
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import ImageReady, LayerSelection, VisualizeSpec
from support.api import Api, connect
from support.service_alone import NOT_SERVING, SERVING, service_alone
from support.silent_store import silent_store

# A blob that some record names; no store here ever gives it.
DIGEST = "0" * 64

# Threads with calls that need the artifact store: more than the service has for them.
CALLERS = 40


@dataclass(frozen=True, slots=True)
class Hanging:
    """A service whose artifact store is silent."""

    api: Api
    process: subprocess.Popen[str]
    redis: redis.Redis
    server: EmbeddedRedis

    def health(self, service: str = "") -> int:
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(self.api.channel).Check(request, timeout=5).status)

    def running(self) -> str:
        """A job that runs."""
        job, _ = JobStore(self.redis).create(JobSpec(train=TrainSpec()), request_digest="d")
        assert Attempt.claim(self.redis, Claimant(worker="w"))
        return job.name

    def ended(self) -> str:
        """A job that has ended, with a result."""
        job, _ = JobStore(self.redis).create(JobSpec(train=TrainSpec()), request_digest="d")
        JobStore(self.redis).request_cancel(job.name)
        self.redis.hset(key("job", job.name.removeprefix("jobs/")), "result", DIGEST)
        return job.name


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder)).running() as server,
        contextlib.closing(redis.Redis.from_url(server.url)) as connection,
        silent_store() as environment,
        service_alone(server.url, tmp_path, **environment) as (address, process),
        connect(address) as api,
    ):
        yield Hanging(api, process, connection, server)


@contextlib.contextmanager
def frozen(server: EmbeddedRedis) -> Iterator[None]:
    assert server.pid is not None
    process = psutil.Process(server.pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def took(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@contextlib.contextmanager
def waiting_for_blobs(hanging: Hanging) -> Iterator[list[grpc.StatusCode]]:
    """Many calls that need the artifact store, until the end of the block; gives how they end."""
    name, codes = hanging.ended(), list[grpc.StatusCode]()

    def get() -> None:
        codes.append(code_of(lambda: hanging.api.jobs.GetJob(GetJobRequest(name=name), timeout=30)))

    threads = [threading.Thread(target=get) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield codes
    finally:
        for thread in threads:
            thread.join()


def test_calls_that_need_only_redis_do_not_wait_for_the_store(hanging: Hanging) -> None:
    jobs = hanging.api.jobs
    name = hanging.running()
    with waiting_for_blobs(hanging) as codes:
        assert took(lambda: jobs.ListJobs(ListJobsRequest(), timeout=10)) < 1
        assert took(lambda: jobs.GetJob(GetJobRequest(name=name), timeout=10)) < 1
        assert took(lambda: jobs.CancelJob(CancelJobRequest(name=name), timeout=10)) < 1
        assert took(lambda: jobs.DeleteJob(DeleteJobRequest(name=hanging.ended()), timeout=10)) < 1
        assert not codes
    assert codes == [grpc.StatusCode.UNAVAILABLE] * CALLERS


def test_a_watch_whose_images_cannot_be_read_ends(hanging: Hanging) -> None:
    job, _ = JobStore(hanging.redis).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(hanging.redis, Claimant(worker="w"))
    assert attempt is not None
    attempt.report(JobEvent(image_ready=ImageReady(completed=1, total=2)), DIGEST)
    watch = hanging.api.jobs.WatchJob(WatchJobRequest(name=job.name), timeout=20)
    assert code_of(lambda: list(watch)) is grpc.StatusCode.UNAVAILABLE


def test_images_that_cannot_be_read_are_unavailable(hanging: Hanging) -> None:
    spec = VisualizeSpec(model="models/m", restarts=1)
    layer = LayerSelection(name="conv1")
    layer.list.indices.append(0)
    spec.selections.append(layer)
    job, _ = JobStore(hanging.redis).create(JobSpec(visualize=spec), request_digest="d")
    hanging.redis.hset(key("images", job.name.removeprefix("jobs/")), "0", DIGEST)
    request = ListImagesRequest(parent=job.name)
    found = code_of(lambda: hanging.api.images.ListImages(request, timeout=20))
    assert found is grpc.StatusCode.UNAVAILABLE


def test_health_tells_which_services_need_the_store(hanging: Hanging) -> None:
    assert hanging.health() == SERVING
    assert hanging.health("convscope.v1.Datasets") == SERVING
    for name in ("Images", "Jobs", "Models"):
        assert hanging.health(f"convscope.v1.{name}") == NOT_SERVING


def test_the_reconciler_goes_on_while_a_sweep_hangs(hanging: Hanging) -> None:
    name = hanging.running()  # the service has begun to look after the store when it began to serve
    for lease in cast("list[bytes]", hanging.redis.zrange(KEYS["leases"], 0, -1)):
        hanging.redis.zadd(KEYS["leases"], {lease: 1})
    watch = hanging.api.jobs.WatchJob(WatchJobRequest(name=name), timeout=20)
    assert any(event.WhichOneof("event") == "attempt_lost" for event in watch)
    watch.cancel()


def test_health_notices_a_frozen_redis(hanging: Hanging) -> None:
    with frozen(hanging.server):
        start = time.monotonic()
        while hanging.health() == SERVING:
            assert time.monotonic() - start < 2
            time.sleep(0.05)
    while hanging.health() == NOT_SERVING:
        time.sleep(0.05)


def test_health_notices_a_redis_that_died(hanging: Hanging) -> None:
    assert hanging.server.pid is not None
    psutil.Process(hanging.server.pid).kill()
    start = time.monotonic()
    while hanging.health() == SERVING:
        assert time.monotonic() - start < 2
        time.sleep(0.05)


def test_it_ends_in_time_while_both_hang(hanging: Hanging) -> None:
    with waiting_for_blobs(hanging) as codes, frozen(hanging.server):
        while psutil.Process(hanging.process.pid).num_threads() < CALLERS // 2:
            time.sleep(0.05)
        hanging.process.send_signal(signal.SIGTERM)
        assert took(lambda: hanging.process.wait(30)) < GRACE_S + 1
    assert len(codes) == CALLERS
    assert grpc.StatusCode.OK not in codes
