"""Background tasks of the event loop."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["end_tasks", "keep_running"]

log = logging.getLogger(__name__)

# Pause before work that broke is started again, in seconds.
RESTART_PAUSE_S = 1.0

# How long tasks may take to end in all, in seconds; what hangs for longer is left to the end of the process.
END_S = 0.7

# How long a task may take to notice that it was cancelled before it is told again, in seconds.
PATIENCE_S = 0.35


async def keep_running(title: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do work that has no end until cancelled: whatever breaks it is logged, and it is started again.

    A service that went on without it would look well and be of no use.
    """
    while True:
        try:
            await work()
        except Exception:
            log.exception("%s broke off and is started again", title)
        await asyncio.sleep(RESTART_PAUSE_S)


async def end_tasks(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks until they have ended, or for a moment.

    Once is not enough: libraries that race a read against a timer (redis-py on Python 3.11) now and then lose a
    cancellation that comes just as the read is done.
    """
    pending, end = set(tasks), time.monotonic() + END_S
    while pending and time.monotonic() < end:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=PATIENCE_S)
