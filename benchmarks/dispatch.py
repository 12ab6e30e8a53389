"""Cost of dispatching a part: processor time of Redis and of workers whose parts only sleep."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import redis

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.yardstick import ROOT
from convscope.store import JobStore, connect_promptly
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import JobSpec, JobState
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["FAMILY"]

WARM = Figure(
    name="dispatch-cost",
    what="16 workers, 5,000 parts that only sleep: processor time of Redis, RQ, store and forks per part",
    target=2.2,
    unit="ms",
    noise=0.15,
    bound="at most",
)
COLD = Figure(
    name="dispatch-cost-cold",
    what="the same for 160 parts, each in a new process",
    target=60.0,
    unit="ms",
    noise=0.15,
    bound="at most",
)

WORKERS = 16

# How often the benchmark polls, in seconds.
PERIOD_S = 0.5

# When it gives up, in seconds: several times what it takes on two cores.
MOST_S = 240.0

# For how long workers may take to end, in seconds.
STOP_S = 20.0

# Runs workers that are forked from one process which has imported everything; their parts sleep for some seconds.
PROGRAM = """
import os, signal, sys, time
from convscope.store import ResultWanted, connect_patiently, connect_promptly
from convscope.worker.executor import process, warm
from convscope.worker.supervisor.rq_worker import Supervisor

class Sleeper:
    def __call__(self, context):
        time.sleep(float(sys.argv[2]))
        if sys.argv[3] == "cold":
            os.kill(os.getpid(), signal.SIGUSR1)  # claim no other part
        try:
            context.attempt.finish()
        except ResultWanted:
            context.attempt.succeed("")

process.VisualizeRunner = Sleeper
for number in range(int(sys.argv[1])):
    if os.fork() == 0:
        url = os.environ["CONVSCOPE_REDIS_URL"]
        Supervisor(connect_patiently(url), connect_promptly(url), f"worker{number}").work(logging_level="ERROR")
        os._exit(0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Run separate workers on a separate Redis."""
    if WARM.name in names:
        yield WARM.name, milliseconds_per_part(parts=5_000, sleep_s=0.05, cold=False)
    if COLD.name in names:
        yield COLD.name, milliseconds_per_part(parts=160, sleep_s=0.05, cold=True)


def milliseconds_per_part(*, parts: int, sleep_s: float, cold: bool) -> float:
    """Return the processor time of Redis and all workers for each part, in milliseconds.

    Args:
        parts: how many.
        sleep_s: how long a part sleeps, in seconds.
        cold: whether each part runs in a new process.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cs-") as folder,
        EmbeddedRedis(Path(folder) / "redis").running() as server,
        connect_promptly(server.url) as connection,
    ):
        # Executors end when there is no part to claim, so that their processor time can be read.
        environment = {"CONVSCOPE_REDIS_URL": server.url, "CONVSCOPE_HOME": folder, "CONVSCOPE_KEEP_WARM": "0"}
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(WORKERS), str(sleep_s), "cold" if cold else "warm"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as workers:
            try:
                assert workers.stdout is not None
                for _ in range(WORKERS):
                    assert "is ready" in workers.stdout.readline(), "a worker did not start"
                parent = psutil.Process(workers.pid)
                processes = [*parent.children(), psutil.Process(connection.info("server")["process_id"])]
                before = processor_seconds(processes)
                await_end(JobStore(connection), create(connection, parts), parent)
                return (processor_seconds(processes) - before) / parts * 1000
            finally:
                stop(workers)


def stop(workers: subprocess.Popen[str]) -> None:
    """Stop all workers, and kill those that do not end by themselves: nothing else would end the wait for them."""
    for worker in psutil.Process(workers.pid).children():
        worker.terminate()
    try:
        workers.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(workers.pid, signal.SIGKILL)


def create(connection: redis.Redis, parts: int) -> str:
    """Create a job of many parts."""
    spec = JobSpec(visualize=VisualizeSpec())
    job, _ = JobStore(connection).create(spec, request_digest="d", parts=parts)
    return job.name


def await_end(jobs: JobStore, name: str, workers: psutil.Process) -> None:
    """Wait until a job has succeeded and no executor is left."""
    end = time.monotonic() + MOST_S
    while not jobs.get(name).HasField("end_time"):
        if time.monotonic() > end:
            raise TimeoutError(f"only {jobs.get(name).ended_part_count} parts done in {MOST_S:g} s")
        time.sleep(PERIOD_S)
    assert jobs.get(name).state == JobState.JOB_STATE_SUCCEEDED
    while busy := [worker.pid for worker in workers.children() if worker.children()]:
        if time.monotonic() > end:
            raise TimeoutError(f"executors of {len(busy)} workers did not end in {MOST_S:g} s")
        time.sleep(PERIOD_S)


def processor_seconds(processes: list[psutil.Process]) -> float:
    """Return the processor seconds of processes and of their children that have ended."""
    return sum(sum(process.cpu_times()[:4]) for process in processes)


FAMILY = Family(figures=(WARM, COLD), measure=measure)
