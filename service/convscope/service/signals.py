"""Signals to a process whose main thread blocks the event loop."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

__all__ = ["STOP_SIGNALS", "breaking_off"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def breaking_off(stop: asyncio.Event) -> Iterator[None]:
    """Interrupt a block that blocks the event loop when the process receives a stop signal, and set ``stop``.

    The loop's own handlers would run only after the block.
    """
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        if not interrupted:  # once is enough: cleaning up must not be interrupted
            interrupted = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        stop.set()
    finally:
        interrupted = True
        for number, handler in before.items():
            signal.signal(number, handler)
