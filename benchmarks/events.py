"""Cost of an event, and its delay until watchers have it."""

import json
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.service_alone import service_alone
from convscope.client import Client, TrainProgress
from convscope.store import Attempt, Claimant, JobStore, connect_promptly
from convscope.store.embedded import EmbeddedRedis
from convscope.store.jobs.attempts import LEASE_MS
from convscope.v1 import jobs_pb2, train_pb2

__all__ = ["FAMILY"]

MEDIAN = Figure(
    name="event-median",
    what="an event from write to watching client, median",
    target=10.0,
    unit="ms",
    noise=0.25,
    bound="at most",
)
P99 = Figure(
    name="event-p99",
    what="an event from write to watching client, p99",
    target=50.0,
    unit="ms",
    noise=0.6,
    bound="at most",
)
WATCHERS = Figure(
    name="watchers-p99",
    what="1,000 watchers on one service, 2 events a second each: p99 lag, nothing missing",
    target=250.0,
    unit="ms",
    noise=0.7,
    bound="at most",
)
THROUGHPUT = Figure(name="event-rate", what="events through one Redis, 4 writers", target=5_000.0, unit="/s", noise=0.2)

# One writer's events, and the pause between two, in seconds.
EVENTS, PAUSE_S = 500, 0.01

# Jobs and watchers of each job, 1,000 together; events of each job, and their period in seconds.
JOBS, WATCHERS_OF_A_JOB, ROUNDS, PERIOD_S = 100, 10, 20, 0.5

WRITERS, WRITER_EVENTS = 4, 5_000


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Write events on a separate Redis and service, without workers."""
    with running_service() as (redis_url, address):
        if {MEDIAN.name, P99.name} & names:
            lags = one_watcher(redis_url, address)
            yield from (
                (name, value) for name, value in ((MEDIAN.name, median(lags)), (P99.name, p99(lags))) if name in names
            )
        if WATCHERS.name in names:
            yield WATCHERS.name, p99(many_watchers(redis_url, address))
        if THROUGHPUT.name in names:
            yield THROUGHPUT.name, events_per_second(redis_url)


@contextmanager
def running_service() -> Iterator[tuple[str, str]]:
    """Run a Redis and a service."""
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder) / "redis").running() as server,
        service_alone(server.url, Path(folder), listen=f"unix:{folder}/s") as (address, _),
    ):
        yield server.url, address


def new_attempt(redis_url: str) -> Attempt:
    """Start a job and claim its only part."""
    connection = connect_promptly(redis_url)
    spec = jobs_pb2.JobSpec(train=train_pb2.TrainSpec())
    JobStore(connection).create(spec, request_digest="")
    attempt = Attempt.claim(connection, Claimant(worker="bench"))
    assert attempt is not None
    return attempt


def report(attempt: Attempt, step: int) -> None:
    """Write an event, which carries the time of its writing, and renew the lease now and then."""
    attempt.report(jobs_pb2.JobEvent(train_progress=train_pb2.TrainProgress(step=step)))
    if step % 100 == 0:
        attempt.renew()


def one_watcher(redis_url: str, address: str) -> list[float]:
    """Return the lags of one job's events at one watching client, in milliseconds."""
    attempt = new_attempt(redis_url)

    def write() -> None:
        for step in range(EVENTS):
            report(attempt, step + 1)
            time.sleep(PAUSE_S)
        attempt.cancelled()

    with Client(address) as client:
        events = client.job(f"jobs/{attempt.job_id}").watch()
        next(events)
        writer = threading.Thread(target=write)
        writer.start()
        lags = [1000 * (time.time() - event.time.timestamp()) for event in events if isinstance(event, TrainProgress)]
        writer.join()
    assert len(lags) == EVENTS
    return lags


# Connections of the watchers (the service accepts 128 calls on each), and how many watches start at once (it accepts
# 300).
CONNECTIONS, ASKING = 10, 100

WATCHERS_PROGRAM = """
import asyncio, json, sys, time
from contextlib import AsyncExitStack
import grpc
from convscope.v1 import jobs_pb2, jobs_pb2_grpc

async def begin(stub, name, asking):
    async with asking:
        call = stub.WatchJob(jobs_pb2.WatchJobRequest(name=name))
        await call.read()
    return call

async def follow(call, lags):
    seen = 0
    while (event := await call.read()) is not grpc.aio.EOF:
        if event.HasField("train_progress"):
            lags.append(1000 * (time.time() - event.time.ToMicroseconds() / 1e6))
            seen += 1
    return seen

async def main(address, names, connections, asking):
    lags, asking = [], asyncio.Semaphore(asking)
    async with AsyncExitStack() as stack:
        own = [("grpc.use_local_subchannel_pool", 1)]  # else all would share one connection
        stubs = [
            jobs_pb2_grpc.JobsStub(await stack.enter_async_context(grpc.aio.insecure_channel(address, own)))
            for _ in range(connections)
        ]
        begun = (begin(stubs[number % connections], name, asking) for number, name in enumerate(names))
        calls = await asyncio.gather(*begun)
        print("ready", flush=True)
        seen = await asyncio.gather(*(follow(call, lags) for call in calls))
    print(json.dumps([lags, seen]))

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
"""


def many_watchers(redis_url: str, address: str) -> list[float]:
    """Return the lags of many jobs' events at many watchers, in milliseconds."""
    attempts = [new_attempt(redis_url) for _ in range(JOBS)]
    names = [f"jobs/{attempt.job_id}" for attempt in attempts for _ in range(WATCHERS_OF_A_JOB)]
    command = [sys.executable, "-c", WATCHERS_PROGRAM, address, json.dumps(names), str(CONNECTIONS), str(ASKING)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as watchers:
        assert watchers.stdout is not None
        while not select.select([watchers.stdout], [], [], LEASE_MS / 5000)[0]:
            for attempt in attempts:
                attempt.renew()
        assert watchers.stdout.readline() == b"ready\n"
        for step in range(ROUNDS):
            began = time.monotonic()
            for number, attempt in enumerate(attempts):
                time.sleep(max(0.0, began + PERIOD_S * number / JOBS - time.monotonic()))
                report(attempt, step + 1)
                attempt.renew()
            time.sleep(max(0.0, began + PERIOD_S - time.monotonic()))
        for attempt in attempts:
            attempt.cancelled()
        lags, seen = json.loads(watchers.stdout.readline())
    assert seen == [ROUNDS] * len(names)
    return [float(lag) for lag in lags]


def events_per_second(redis_url: str) -> float:
    """Return the rate of several processes that write as fast as they can."""
    with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(write_many, [redis_url] * WRITERS, [10] * WRITERS))  # started and connected
        began = time.perf_counter()
        list(pool.map(write_many, [redis_url] * WRITERS, [WRITER_EVENTS] * WRITERS))
        return WRITERS * WRITER_EVENTS / (time.perf_counter() - began)


def write_many(redis_url: str, count: int) -> None:
    """Write events of a new job."""
    attempt = new_attempt(redis_url)
    for step in range(count):
        report(attempt, step + 1)
    attempt.cancelled()


def p99(values: list[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(values, n=100)[-1]


FAMILY = Family(figures=(MEDIAN, P99, WATCHERS, THROUGHPUT), measure=measure, rounds=2)
