"""Processes of a convscope that compute."""

import psutil
import redis

from convscope.store import WorkerStore
from support.stack import Stack

__all__ = ["busy_executor", "executor_of"]


def executor_of(stack: Stack, worker: str) -> psutil.Process:
    """Return the executor of a worker, ``workers/NAME`` or the bare name."""
    bare = worker.removeprefix("workers/")
    with redis.Redis.from_url(stack.redis_url) as connection:
        (record,) = [record for record in WorkerStore(connection).list() if record.name == bare]
    (executor,) = psutil.Process(record.process_id).children()
    return executor


def busy_executor(stack: Stack) -> psutil.Process:
    """Return the one executor that computes; others may wait."""
    with redis.Redis.from_url(stack.redis_url) as connection:
        workers = WorkerStore(connection).list()
    busy = [worker.name for worker in workers if worker.job_id]
    assert len(busy) == 1, workers
    return executor_of(stack, busy[0])
