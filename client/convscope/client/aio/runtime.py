"""Waiting and blocking work, for the client that asyncio programs use: it is done in threads."""

import asyncio
from asyncio import sleep
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["blocking_context", "compute", "run_blocking", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

# One thread for all computing: several would not be faster under the interpreter's lock, and the event loop would wait
# for the lock behind each of them.
_computing = ThreadPoolExecutor(1, "convscope-compute")


async def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that computes for long, in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_computing, partial(function, *args, **kwargs))


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that works on files, in a thread.

    A task that is cancelled meanwhile ends after the function: what that writes must not be removed before.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # marks the error as retrieved; there is nothing left to do about it
        raise


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
