"""How long an event loop is held up."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["never_held_up"]

# Seconds between two looks at the clock, and seconds that one may come too late. On a machine with two busy processors
# it is typically 12 ms for fifty large results.
TICK, MAX_LAG = 0.005, 0.05


@asynccontextmanager
async def never_held_up() -> AsyncIterator[None]:
    """Check that the block never holds the event loop up for long."""
    gc.collect()
    gc.freeze()  # what the tests have made so far is not the block's to search for garbage
    ticker = asyncio.create_task(_largest_lag())
    try:
        yield
    finally:
        ticker.cancel()
        gc.unfreeze()
    assert await ticker <= MAX_LAG


async def _largest_lag() -> float:
    """Return how much too late a ticker is at most until it is cancelled, not more than this process has computed then.

    So the time that other programs had is left out.
    """
    largest = 0.0
    while True:
        started, computed = time.monotonic(), time.process_time()
        try:
            await asyncio.sleep(TICK)
        except asyncio.CancelledError:
            return largest
        late = time.monotonic() - started - TICK
        largest = max(largest, min(late, time.process_time() - computed))
