"""Waiting and blocking work, for the client that asyncio programs use: it is done in threads."""

import asyncio
import time
from asyncio import sleep
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["blocking_context", "compute", "in_pieces", "run_blocking", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

# One thread for all computing: several would not be faster under the interpreter's lock, and the event loop would wait
# for the lock behind each of them.
_computing = ThreadPoolExecutor(1, "convscope-compute")

# Items of a computation between two pauses, and seconds of a pause.
_PIECE, _PAUSE = 200, 50e-6

# Threads for files, which wait for disks and pipes.
_working = ThreadPoolExecutor(thread_name_prefix="convscope-files")


async def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that computes for long, in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_computing, partial(function, *args, **kwargs))


def in_pieces(items: Iterable[T]) -> Iterator[T]:
    """Yield items to a computation that pauses now and then.

    Without pauses, the event loop waits 5 ms for the interpreter's lock whenever it has let go of it.
    """
    for number, item in enumerate(items, 1):
        yield item
        if number % _PIECE == 0:
            time.sleep(_PAUSE)


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that works on files, in a thread.

    A task that is cancelled meanwhile, be it repeatedly, ends after the function has: what it writes is not to be
    removed before.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    work = _working.submit(partial(function, *args, **kwargs))
    work.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    cancelled: asyncio.CancelledError | None = None
    while not work.done():  # asked of the thread's own future: a second Ctrl-C may take what the loop is told away
        try:
            await ended.wait()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return work.result()


@asynccontextmanager
async def blocking_context(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context manager that works on files, in threads."""
    entered = ExitStack()  # knows whether the manager was entered, even if the task was cancelled meanwhile
    try:
        yield await run_blocking(entered.enter_context, manager)
    except BaseException as error:
        if not await run_blocking(entered.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await run_blocking(entered.close)
