"""Passes events to the watchers of a service: one blocking read of the notify stream feeds all of them."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from convscope.store import KEYS, LogEntry

__all__ = ["NotifyHub", "Subscription"]

log = logging.getLogger(__name__)

# How long one read waits for events, in milliseconds.
BLOCK_MS = 5_000

# How many events one read takes.
READ_COUNT = 1_000

# Events kept for a watcher that is slower than its job; beyond that, the watcher reads the log instead.
BACKLOG = 256

# Pause before reading again after an error of Redis, in seconds.
RECONNECT_S = 0.2


class Subscription:
    """New events of one job for one watcher."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=BACKLOG)
        self._news = asyncio.Event()
        self._failure: Exception | None = None

    def push(self, entry: LogEntry) -> None:
        """Add an event; beyond ``BACKLOG`` the oldest is dropped, and the watcher notices the gap."""
        self._entries.append(entry)
        self._news.set()

    def fail(self, failure: Exception) -> None:
        """End the subscription."""
        self._failure = failure
        self._news.set()

    async def take(self, timeout_s: float) -> list[LogEntry]:
        """Wait for events and return them; empty if none comes within ``timeout_s`` seconds.

        Raises:
            Exception: the error that ended the subscription.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), timeout_s)
        if self._failure is not None:
            raise self._failure
        self._news.clear()
        entries = list(self._entries)
        self._entries.clear()
        return entries


class NotifyHub:
    """Reads the notify stream of one Redis and hands each event to the subscriptions of its job."""

    def __init__(self, redis_url: str) -> None:
        # The socket may be silent for as long as one read blocks.
        self._redis = redis.asyncio.Redis.from_url(redis_url, socket_timeout=BLOCK_MS / 1000 + 2)
        self._subscriptions: dict[str, set[Subscription]] = {}

    @contextlib.contextmanager
    def subscribe(self, job_id: str) -> Iterator[Subscription]:
        """Subscribe to a job within a ``with`` block."""
        subscription = Subscription()
        self._subscriptions.setdefault(job_id, set()).add(subscription)
        try:
            yield subscription
        finally:
            others = self._subscriptions[job_id]
            others.discard(subscription)
            if not others:
                del self._subscriptions[job_id]

    def fail_all(self, failure: Exception) -> None:
        """End every subscription."""
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.fail(failure)

    async def run(self) -> None:
        """Read until cancelled; if Redis goes away, end all subscriptions, whose watchers can subscribe again."""
        try:
            while True:
                try:
                    await self._distribute()
                except RedisError as error:
                    if self._subscriptions:
                        log.warning("watches ended because Redis went away: %s", error)
                    self.fail_all(error)
                    await asyncio.sleep(RECONNECT_S)
        finally:
            await self._redis.aclose()

    async def _distribute(self) -> None:
        async for job_id, entry in self._news():
            for subscription in self._subscriptions.get(job_id, ()):
                subscription.push(entry)

    async def _news(self) -> AsyncIterator[tuple[str, LogEntry]]:
        newest = await self._redis.xrevrange(KEYS["notify"], count=1)
        position: Any = newest[0][0] if newest else b"0-0"
        while True:
            # Typed loosely by redis-py: one stream's name and its entries, or nothing if none came in time.
            streams: Any = await self._redis.xread({KEYS["notify"]: position}, count=READ_COUNT, block=BLOCK_MS)
            for position, fields in streams[0][1] if streams else ():  # noqa: B007 - where the next read begins
                yield fields[b"job"].decode(), LogEntry.from_fields(int(fields[b"sequence"]), fields)
