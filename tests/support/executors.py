"""Processes of a convscope that compute."""

import psutil
import redis
from rq import Worker

from convscope.store import WorkerStore
from support.stack import Stack

__all__ = ["busy_executor", "executor_of"]


def executor_of(stack: Stack, worker: str) -> psutil.Process:
    """The executor of a worker, ``workers/NAME`` or the bare name."""
    bare = worker.removeprefix("workers/")
    with redis.Redis.from_url(stack.redis_url) as connection:
        (found,) = [each for each in Worker.all(connection=connection, serializer="json") if each.name == bare]
    (executor,) = psutil.Process(found.pid).children()
    return executor


def busy_executor(stack: Stack) -> psutil.Process:
    """The one executor that computes; others may wait."""
    with redis.Redis.from_url(stack.redis_url) as connection:
        workers = WorkerStore(connection).list()
    busy = [worker.name for worker in workers if worker.job_id]
    assert len(busy) == 1, workers
    return executor_of(stack, busy[0])
