"""The service's share in looking after jobs and the store: one of all services and workers leads, the others stand by.

The two go on apart, each in a thread of its own: a sweep that waits for the artifact store keeps no job waiting, and
the event loop is not woken by looks that find nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from threading import Event

from convscope.service.backend import Backend
from convscope.service.errors import REDIS_AWAY
from convscope.service.late_plans import plan_late_jobs
from convscope.service.threads import DaemonThreads, run_within
from convscope.store import Reconciler, Sweeper
from convscope.store.errors import BlobError

__all__ = ["keep_reconciling", "keep_sweeping"]

log = logging.getLogger(__name__)

# How often jobs are looked after, in seconds.
PERIOD_S = 0.25

# How often the store is, in seconds: nothing waits for files to be gone.
SWEEP_PERIOD_S = 1.0

# How long giving up the lead may take, in seconds: it runs out by itself a little later.
RESIGN_S = 0.3


async def keep_reconciling(backend: Backend) -> None:
    """Look after jobs until cancelled; while Redis is away, try again.

    All services plan the jobs that could not be planned before, each of them once.
    """
    reconciler, threads = Reconciler(backend.redis), DaemonThreads(1, "reconciling")

    def look() -> None:
        reconciler.tick()
        plan_late_jobs(backend)

    try:
        await _repeat(look, PERIOD_S, threads)
    finally:
        with contextlib.suppress(*REDIS_AWAY, TimeoutError):
            await run_within(RESIGN_S, threads, reconciler.resign)
        threads.shutdown()


async def keep_sweeping(backend: Backend) -> None:
    """Sweep until cancelled; while Redis or the artifact store is away, try again later."""
    threads = DaemonThreads(1, "sweeping")
    try:
        await _repeat(lambda: _sweep(backend.sweeper), SWEEP_PERIOD_S, threads)
    finally:
        threads.shutdown()


async def _repeat(look: Callable[[], None], period_s: float, threads: DaemonThreads) -> None:
    """Look again and again in a thread until cancelled; a look that Redis fails is made good by the next."""
    stop = Event()

    def repeat() -> None:
        while not stop.is_set():
            with contextlib.suppress(*REDIS_AWAY):
                look()
            stop.wait(period_s)

    try:
        await asyncio.get_running_loop().run_in_executor(threads, repeat)
    finally:
        stop.set()


def _sweep(sweeper: Sweeper) -> None:
    try:
        sweeper.tick()
    except BlobError as error:
        log.warning("the sweep was cut short: %s", error)
