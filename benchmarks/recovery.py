"""Time until work resumes after a death, and until a job stops on request."""

import time
from collections.abc import Iterator

import psutil

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.stack import run_stack
from convscope.client import AttemptStarted, Client, Finished, Job, TrainProgress, TrainResult

__all__ = ["FAMILY"]

WORKER = Figure(
    name="worker-killed",
    what="a worker and its executor killed: seconds until the part runs again, median of 8",
    target=6.0,
    unit="s",
    noise=0.1,
    bound="at most",
)
EXECUTOR = Figure(
    name="executor-killed",
    what="an executor killed: seconds until the part runs again, median of 8",
    target=2.0,
    unit="s",
    noise=0.3,
    bound="at most",
)
CANCEL = Figure(
    name="cancel",
    what="cancel of a running job to CANCELLED, median of 8",
    target=2.0,
    unit="s",
    noise=0.3,
    bound="at most",
)

TRIALS = 8

# Longer than any trial.
ENDLESS = 10_000_000


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Kill and cancel repeatedly, on a separate system with two workers."""
    trials = this.session.times(TRIALS)
    with run_stack(workers=2) as address, Client(address) as client:
        if WORKER.name in names:
            yield from ((WORKER.name, seconds_to_recover(client, address, parent=True)) for _ in range(trials))
        if EXECUTOR.name in names:
            yield from ((EXECUTOR.name, seconds_to_recover(client, address, parent=False)) for _ in range(trials))
        if CANCEL.name in names:
            yield from ((CANCEL.name, seconds_to_cancel(client)) for _ in range(trials))


def seconds_to_recover(client: Client, address: str, *, parent: bool) -> float:
    """Return the seconds from a kill to the start of the next attempt."""
    job = start(client)
    executor = find_executor(client, job)
    victim = executor.parent() if parent else executor
    assert victim is not None
    killed = time.time()
    victim.kill()
    again = next(event for event in job.watch() if isinstance(event, AttemptStarted) and event.attempt == 2)
    job.cancel()
    next(event for event in job.watch() if isinstance(event, Finished))
    await_workers(address)
    return again.time.timestamp() - killed


def seconds_to_cancel(client: Client) -> float:
    """Return the seconds from a request to stop to the job's end."""
    job = start(client)
    asked = time.time()
    job.cancel()
    return next(event for event in job.watch() if isinstance(event, Finished)).time.timestamp() - asked


def start(client: Client) -> Job[TrainResult]:
    """Start a training and wait until it computes."""
    job = client.train(iterations=ENDLESS, report_interval=1000)
    next(event for event in job.watch() if isinstance(event, TrainProgress))
    return job


def workers(address: str) -> list[psutil.Process]:
    """Return the supervisors of the system that serves at an address."""
    (up,) = [child for child in psutil.Process().children() if address in child.cmdline()]
    return [child for child in up.children() if "convscope.worker" in child.cmdline()]


def find_executor(client: Client, job: Job[TrainResult]) -> psutil.Process:
    """Return the process that computes a job."""
    [worker] = [worker for worker in client.workers() if worker.job == job.name]
    [executor] = psutil.Process(worker.process_id).children()
    return executor


def await_workers(address: str) -> None:
    """Wait until both workers are ready: a new one has imported TensorFlow once its memory is as large."""
    while len(workers(address)) < 2 or min(worker.memory_info().rss for worker in workers(address)) < READY_RSS:
        time.sleep(0.1)


# Memory above which a supervisor has imported TensorFlow and read MNIST, in bytes.
READY_RSS = 450_000_000

FAMILY = Family(figures=(WORKER, EXECUTOR, CANCEL), measure=measure)
