"""What waits and what blocks, for the client that asyncio programs use: nothing here holds up the event loop."""

import asyncio
from asyncio import sleep
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import ParamSpec, TypeVar

__all__ = ["blocking_context", "run_blocking", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")


async def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function returns that works on files or computes for long, in a thread.

    A task that is cancelled meanwhile ends after the function has: what it writes is not yet to be removed before.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # noted as seen: nothing is to be done about it any more
        raise


@asynccontextmanager
async def blocking_context(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A context manager that works on files when it is entered and left, in threads."""
    value = await run_blocking(manager.__enter__)
    try:
        yield value
    except BaseException as error:
        if not await run_blocking(manager.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await run_blocking(manager.__exit__, None, None, None)
