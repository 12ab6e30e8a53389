"""``convscope worker`` by itself, on a private Redis, without a service."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis

from convscope.store import JobStore, read_log
from convscope.store.redis.keys import KEYS
from convscope.v1.jobs_pb2 import Job, JobEvent, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import Activation, Adam, Dense, Network, Precision, TrainSpec

__all__ = ["TRAINING", "WorkerAlone", "eventually", "worker_alone"]

# A training of no steps, every default filled in that its executor reads.
TRAINING = TrainSpec(
    dataset="datasets/mnist",
    network=Network(dense=[Dense(units=4, activation=Activation.ACTIVATION_RELU)]),
    precision=Precision.PRECISION_FLOAT32,
    adam=Adam(learning_rate=1e-3),
    batch_size=8,
    report_interval=100,
)

# Nothing here takes longer, in seconds.
PATIENCE_S = 60.0


def eventually(what: Callable[[], object], within_s: float = PATIENCE_S) -> float:
    """Wait until something is true of processes, which report nothing themselves; return the seconds that it took."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() < started + within_s, "it did not come true"
        time.sleep(0.01)
    return time.monotonic() - started


@dataclass(frozen=True, slots=True)
class WorkerAlone:
    """A running worker.

    Attributes:
        redis: a connection to its Redis.
        home: where it keeps its artifacts.
        process: the supervisor.
    """

    redis: redis.Redis
    home: Path
    process: subprocess.Popen[str]

    @property
    def executors(self) -> list[psutil.Process]:
        """The executors, at most one."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]

    @property
    def executor(self) -> psutil.Process:
        """The executor, which must be there."""
        (executor,) = self.executors
        return executor

    def create(self, iterations: int = 0) -> Job:
        """Create a training."""
        spec = TrainSpec(iterations=iterations)
        spec.MergeFrom(TRAINING)
        job, _ = JobStore(self.redis).create(
            JobSpec(train=spec), request_digest="d", model=Model(dataset=TRAINING.dataset)
        )
        return job

    def get(self, job: Job) -> Job:
        """Return how a job stands."""
        return JobStore(self.redis).get(job.name)

    def log(self, job: Job) -> list[JobEvent]:
        """Return the events of a job."""
        entries = read_log(self.redis, job.name.removeprefix("jobs/"), 0, 1_000).entries
        return [JobEvent.FromString(entry.event) for entry in entries]

    def await_event(self, job: Job, kind: str) -> None:
        """Wait until a job has an event of a kind."""
        eventually(lambda: any(event.HasField(kind) for event in self.log(job)))  # type: ignore[arg-type]  # a text

    def finish(self, job: Job, within_s: float = PATIENCE_S) -> Job:
        """Wait for a job's end."""
        eventually(lambda: self.get(job).HasField("end_time"), within_s)
        return self.get(job)

    def await_waiting(self) -> None:
        """Wait until the executor waits for a part."""
        eventually(lambda: self.redis.zcard(KEYS["waiting"] % "cpu"))


@contextlib.contextmanager
def worker_alone(redis_url: str, home: Path, *arguments: str, **environment: str) -> Iterator[WorkerAlone]:
    """Start a worker; afterwards kill it."""
    with (
        redis.Redis.from_url(redis_url) as connection,
        subprocess.Popen(
            [sys.executable, "-m", "convscope.worker", "--threads", "1", *arguments],
            env={**os.environ, "CONVSCOPE_REDIS_URL": redis_url, "CONVSCOPE_HOME": str(home), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline().endswith(" is ready\n")
            yield WorkerAlone(connection, home, process)
        finally:
            process.kill()
