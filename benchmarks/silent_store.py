"""Behaviour of a service whose artifact store accepts connections and stays silent."""

import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.service_alone import service_alone
from convscope.service.server import GRACE_S
from convscope.store import Attempt, Claimant, JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import key
from convscope.v1 import jobs_pb2_grpc
from convscope.v1.jobs_pb2 import CancelJobRequest, GetJobRequest, JobSpec, ListJobsRequest
from convscope.v1.train_pb2 import TrainSpec

__all__ = ["CALLERS", "DIGEST", "FAMILY", "Hanging", "code_of", "frozen", "hanging_service", "silent_store", "took"]

CALLS = Figure(
    name="silent-store-calls",
    what="artifact store silent, 40 calls wait for it: the slowest of ListJobs, CancelJob, GetJob of a running job",
    target=1.0,
    unit="s",
    noise=0.9,
    bound="at most",
)
HEALTH = Figure(
    name="silent-store-health",
    what="artifact store silent: Redis stops to health's NOT_SERVING",
    target=2.0,
    unit="s",
    noise=0.3,
    bound="at most",
)
EXIT = Figure(
    name="silent-store-exit",
    what=f"artifact store silent, Redis stopped: SIGTERM to the service's end (grace is {GRACE_S:g} s)",
    target=GRACE_S + 1,
    unit="s",
    noise=0.15,
    bound="at most",
)

# A blob that a record names and no store returns.
DIGEST = "0" * 64

# Threads with calls that need the artifact store: more than the service has for them.
CALLERS = 40

# How often to poll, in seconds.
PERIOD_S = 0.05

SERVING = health_pb2.HealthCheckResponse.SERVING


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Measure all on one service, which is ended last."""
    with tempfile.TemporaryDirectory(prefix="cs-") as folder, hanging_service(Path(folder)) as hanging:
        if CALLS.name in names:
            yield CALLS.name, seconds_of_calls(hanging)
        if HEALTH.name in names:
            yield HEALTH.name, seconds_to_not_serving(hanging)
        if EXIT.name in names:
            yield EXIT.name, seconds_to_exit(hanging)


@dataclass(frozen=True, slots=True)
class Hanging:
    """A service whose artifact store is silent."""

    channel: grpc.Channel
    process: subprocess.Popen[str]
    redis: redis.Redis
    redis_process: psutil.Process

    @property
    def jobs(self) -> jobs_pb2_grpc.JobsStub:
        """Its jobs."""
        return jobs_pb2_grpc.JobsStub(self.channel)

    def health(self, service: str = "") -> int:
        """Return the health of a gRPC service, or of the whole server."""
        request = health_pb2.HealthCheckRequest(service=service)
        return int(health_pb2_grpc.HealthStub(self.channel).Check(request, timeout=5).status)

    def running(self) -> str:
        """Return the name of a job that runs."""
        job, _ = JobStore(self.redis).create(JobSpec(train=TrainSpec()), request_digest="d")
        assert Attempt.claim(self.redis, Claimant(worker="w"))
        return job.name

    def ended(self) -> str:
        """Return the name of a job that has ended, whose result is in the artifact store."""
        job, _ = JobStore(self.redis).create(JobSpec(train=TrainSpec()), request_digest="d")
        JobStore(self.redis).request_cancel(job.name)
        self.redis.hset(key("job", job.name.removeprefix("jobs/")), "result", DIGEST)
        return job.name

    @contextmanager
    def waiting_for_blobs(self) -> Iterator[list[grpc.StatusCode]]:
        """Make many calls that need the artifact store, and yield the codes with which they end."""
        name, codes = self.ended(), list[grpc.StatusCode]()

        def get() -> None:
            codes.append(code_of(lambda: self.jobs.GetJob(GetJobRequest(name=name), timeout=30)))

        threads = [threading.Thread(target=get) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield codes
        finally:
            for thread in threads:
                thread.join()


@contextmanager
def hanging_service(folder: Path) -> Iterator[Hanging]:
    """Run a Redis, a silent artifact store and a service within a ``with`` block."""
    with (
        EmbeddedRedis(folder / "redis").running() as server,
        redis.Redis.from_url(server.url) as connection,
        silent_store() as environment,
        service_alone(server.url, folder, **environment) as (address, process),
        grpc.insecure_channel(address) as channel,
    ):
        assert server.pid is not None
        yield Hanging(channel, process, connection, psutil.Process(server.pid))


@contextmanager
def silent_store() -> Iterator[dict[str, str]]:
    """Listen within a ``with`` block, and yield the environment variables that make it the artifact store."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:  # the kernel accepts on its behalf
        yield {
            "CONVSCOPE_ARTIFACTS_URL": "s3://bucket/artifacts",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """Suspend a process within a ``with`` block."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def took(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.monotonic()
    call()
    return time.monotonic() - started


def code_of(call: Callable[[], object]) -> grpc.StatusCode:
    """Return how a call ends."""
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def seconds_of_calls(hanging: Hanging) -> float:
    """Return the seconds of the slowest call that needs only Redis, while others wait for the artifact store."""
    name, jobs = hanging.running(), hanging.jobs
    with hanging.waiting_for_blobs() as codes:
        seconds = (
            took(lambda: jobs.ListJobs(ListJobsRequest(), timeout=30)),
            took(lambda: jobs.GetJob(GetJobRequest(name=name), timeout=30)),
            took(lambda: jobs.CancelJob(CancelJobRequest(name=name), timeout=30)),
        )
        assert not codes, "the calls that were to wait have ended"
    return max(seconds)


def seconds_to_not_serving(hanging: Hanging) -> float:
    """Return the seconds from the suspension of Redis to NOT_SERVING, and wait until it serves again."""
    while hanging.health() != SERVING:
        time.sleep(PERIOD_S)
    with frozen(hanging.redis_process):
        started = time.monotonic()
        while hanging.health() == SERVING:
            time.sleep(PERIOD_S)
        seconds = time.monotonic() - started
    while hanging.health() != SERVING:
        time.sleep(PERIOD_S)
    return seconds


def seconds_to_exit(hanging: Hanging) -> float:
    """End the service while Redis is suspended and calls wait for the artifact store.

    Returns:
        The seconds, less those for which its threads were ready to run but had no processor.
    """
    with hanging.waiting_for_blobs(), frozen(hanging.redis_process):
        while psutil.Process(hanging.process.pid).num_threads() < CALLERS // 2:
            time.sleep(PERIOD_S)
        before = seconds_without_processor(hanging.process.pid)
        started = time.monotonic()
        hanging.process.send_signal(signal.SIGTERM)
        kept_waiting = dict(before)
        while hanging.process.poll() is None:
            assert time.monotonic() - started < 120
            kept_waiting |= seconds_without_processor(hanging.process.pid)
            time.sleep(0.01)
        seconds = time.monotonic() - started
        return seconds - sum(waited - before.get(thread, 0.0) for thread, waited in kept_waiting.items())


def seconds_without_processor(pid: int) -> dict[str, float]:
    """Return how long each thread of a process has waited for a processor so far; nothing where that is not told."""
    seconds = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has ended
            seconds[path.parent.name] = int(path.read_text().split()[1]) / 1e9
    return seconds


FAMILY = Family(figures=(CALLS, HEALTH, EXIT), measure=measure, rounds=2)
