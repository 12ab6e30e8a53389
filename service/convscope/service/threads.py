"""Threads for calls that block: they never keep the process from ending, and each call has a deadline."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

__all__ = ["DaemonThreads", "run_within"]

P = ParamSpec("P")
R = TypeVar("R")


class DaemonThreads(Executor):
    """Runs calls in a bounded number of threads, started when they are needed.

    The standard library's pool is joined when the interpreter exits, so one call that hangs would keep the process
    alive. These threads are daemons: calls that still run when the process ends are abandoned.

    Args:
        limit: maximum number of threads, at least 1.
        name: prefix of the threads' names.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._names = (f"{name}-{number}" for number in itertools.count())
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Queue a call; one that is cancelled before its turn is skipped."""
        future: Future[R] = Future()
        self._calls.put((future, partial(fn, *args, **kwargs)))
        if not self._idle.acquire(blocking=False) and self._started < self._limit:
            self._started += 1
            threading.Thread(target=self._work, name=next(self._names), daemon=True).start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - inherited
        """End idle threads without waiting for busy ones."""
        del wait, cancel_futures
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            _finish(*item)
            del item  # else the last call's arguments and result live on until the next call
            self._idle.release()


def _finish(future: "Future[Any]", call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - belongs to the caller, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)


async def run_within(
    deadline_s: float, threads: Executor, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a blocking function in a thread, and wait at most ``deadline_s`` seconds, queueing included.

    Raises:
        TimeoutError: if it takes longer; the thread continues until the function returns.
    """
    loop = asyncio.get_running_loop()
    # Kept apart from what the function itself raises: that may be a TimeoutError as well.
    future = loop.run_in_executor(threads, partial(function, *args, **kwargs))
    try:
        done, _ = await asyncio.wait([future], timeout=deadline_s)
    except asyncio.CancelledError:
        future.cancel()
        raise
    if not done:
        future.cancel()
        raise TimeoutError(f"no answer within {deadline_s:g} s")
    return future.result()
