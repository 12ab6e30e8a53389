"""The service's share in reconciling jobs and sweeping the store: one of all services leads, the others stand by.

The two run in separate threads: a sweep that waits for the artifact store does not delay jobs, and rounds without
work do not wake the event loop.
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
from convscope.store import BlobError, Reconciler, Sweeper

__all__ = ["keep_reconciling", "keep_sweeping"]

log = logging.getLogger(__name__)

# How often jobs are reconciled, in seconds.
PERIOD_S = 0.25

# How often the store is swept, in seconds: nothing waits for files to be removed.
SWEEP_PERIOD_S = 1.0

# How long giving up the lead may take, in seconds: it expires by itself a little later.
RESIGN_S = 0.3


async def keep_reconciling(backend: Backend) -> None:
    """Reconcile jobs until cancelled; while Redis is away, try again.

    Every service also plans jobs whose models are ready now; each job is planned once.
    """
    reconciler, threads = Reconciler(backend.redis), DaemonThreads(1, "reconciling")

    def work() -> None:
        reconciler.tick()
        plan_late_jobs(backend)

    try:
        await _repeat(work, PERIOD_S, threads)
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


async def _repeat(work: Callable[[], None], period_s: float, threads: DaemonThreads) -> None:
    """Repeat work in a thread until cancelled; after an error of Redis the next round tries again."""
    stop = Event()

    def repeat() -> None:
        while not stop.is_set():
            with contextlib.suppress(*REDIS_AWAY):
                work()
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
