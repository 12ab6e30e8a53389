"""Background tasks of the event loop."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["end_tasks", "keep_running"]

log = logging.getLogger(__name__)

# Pause before work that failed is started again, in seconds.
RESTART_PAUSE_S = 1.0

# How long tasks may take to end in all, in seconds; what hangs for longer is left to the end of the process.
END_S = 0.7

# How long a task may take to notice a cancellation before it is cancelled again, in seconds.
PATIENCE_S = 0.35


async def keep_running(title: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run endless work until cancelled: log any error, and start the work again.

    A service without it would look healthy and be useless.
    """
    while True:
        try:
            await work()
        except Exception:
            log.exception("%s broke off and is started again", title)
        await asyncio.sleep(RESTART_PAUSE_S)


async def end_tasks(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks until they have ended, or ``END_S`` have passed.

    Once is not enough: libraries that race a read against a timer (redis-py on Python 3.11) sometimes lose a
    cancellation that arrives just as the read completes.
    """
    pending, end = set(tasks), time.monotonic() + END_S
    while pending and time.monotonic() < end:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=PATIENCE_S)
