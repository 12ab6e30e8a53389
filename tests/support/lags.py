"""How long an event loop is held up."""

import asyncio
import time
from pathlib import Path

__all__ = ["MAX_LAG", "largest_lag"]

# Seconds between two looks at the clock, and seconds that one may come too late.
TICK, MAX_LAG = 0.01, 0.05


async def largest_lag() -> float:
    """Return how much too late a ticker is at most until it is cancelled; time that other programs had is left out."""
    largest = 0.0
    while True:
        started, waited = time.monotonic(), waited_for_processor()
        try:
            await asyncio.sleep(TICK)
        except asyncio.CancelledError:
            return largest
        late = time.monotonic() - started - TICK
        if late > MAX_LAG:
            late -= waited_for_processor() - waited
        largest = max(largest, late)


def waited_for_processor() -> float:
    """Return the seconds that all threads have been kept waiting by other programs."""
    tasks = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9
