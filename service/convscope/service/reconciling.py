"""The service's share in looking after jobs: one of all services and workers leads, the others stand by."""

import asyncio
import contextlib
import logging

from convscope.service.backend import Backend
from convscope.service.errors import REDIS_AWAY
from convscope.store import Reconciler, Sweeper
from convscope.store.errors import BlobError

__all__ = ["keep_reconciling", "keep_sweeping"]

log = logging.getLogger(__name__)

# How often the reconciler gets a chance, in seconds; it has its own period.
PERIOD_S = 0.25


async def keep_reconciling(backend: Backend) -> None:
    """Look after jobs until cancelled; while Redis is away, try again."""
    reconciler = Reconciler(backend.redis)
    try:
        while True:
            with contextlib.suppress(*REDIS_AWAY):
                await backend.run(reconciler.tick)
            await asyncio.sleep(PERIOD_S)
    finally:
        reconciler.resign()


async def keep_sweeping(backend: Backend) -> None:
    """Look after the artifact store until cancelled; while it or Redis is away, try again."""
    while True:
        with contextlib.suppress(*REDIS_AWAY):
            await backend.run(_sweep, backend.sweeper)
        await asyncio.sleep(PERIOD_S)


def _sweep(sweeper: Sweeper) -> None:
    try:
        sweeper.tick()
    except BlobError as error:
        log.warning("the sweep was cut short: %s", error)
