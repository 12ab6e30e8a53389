"""Bounds how much of callers' messages the service holds while it receives them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

__all__ = ["CrowdedError", "Reception", "TooSlowError"]

T = TypeVar("T")

# Messages up to this many bytes free their place when they have arrived, larger ones when they have been processed.
SMALL = 256 * 2**10


class TooSlowError(Exception):
    """A message arrived so slowly that others had to wait for it."""


class CrowdedError(Exception):
    """Too many messages wait to be received."""


class Reception:
    """Receives a few messages at a time; the others wait, and gRPC holds a few KiB of each.

    Args:
        places: messages at a time.
        patience_s: how long a message may arrive while others wait, in seconds.
        queue: how many messages may wait.
    """

    def __init__(self, *, places: int, patience_s: float, queue: int) -> None:
        self._queue = queue
        self._places = asyncio.Semaphore(places)
        self._patience_s = patience_s
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def receive(self, read: Callable[[], Awaitable[T]], size: Callable[[T], int]) -> AsyncIterator[T]:
        """Receive a message and process it within an ``async with`` block.

        Args:
            read: receives the message.
            size: returns its size in bytes.

        Raises:
            CrowdedError: if too many messages wait already.
            TooSlowError: if the message took too long while others waited.
        """
        await self._enter()
        held = True
        try:
            message = await self._read(read)
            if size(message) <= SMALL:
                held = False
                self._places.release()
            yield message
        finally:
            if held:
                self._places.release()

    async def _enter(self) -> None:
        if self._waiting >= self._queue:
            raise CrowdedError(f"{self._waiting} other requests wait to be received; try again")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        reading = asyncio.ensure_future(read())
        try:
            while not (await asyncio.wait([reading], timeout=self._patience_s))[0]:
                if self._waiting:
                    raise TooSlowError(f"the request took more than {self._patience_s:g} s while others waited")
            return reading.result()
        finally:
            reading.cancel()
