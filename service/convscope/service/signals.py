"""Signals to a thread that blocks its event loop."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

__all__ = ["STOP_SIGNALS", "breaking_off"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def breaking_off(stop: asyncio.Event) -> Iterator[None]:
    """End a block that does not wait for the event loop as soon as the process is told to stop, and set ``stop``.

    The loop's own handlers would hear of it only when the block has ended by itself.
    """
    told = False

    def tell(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:  # once is enough: cleaning up is not to be broken off
            told = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, tell) for number in STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        stop.set()
    finally:
        told = True
        for number, handler in before.items():
            signal.signal(number, handler)
