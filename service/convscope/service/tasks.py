"""Background tasks of the event loop."""

import asyncio
from collections.abc import Sequence

__all__ = ["end_tasks"]

# How long a task may take to notice that it was cancelled before it is told again, in seconds.
PATIENCE_S = 0.5


async def end_tasks(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: libraries that race a read against a timer (redis-py on Python 3.11) now and then lose a
    cancellation that comes just as the read is done.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=PATIENCE_S)
