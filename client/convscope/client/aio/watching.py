"""Following a job's events through broken connections, without gap or repeat."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from convscope.client.aio.connection import AsyncConnection
from convscope.client.aio.runtime import sleep
from convscope.client.errors import DataLoss, ServiceError, Unavailable
from convscope.client.outages import Outage
from convscope.v1 import jobs_pb2

__all__ = ["patiently", "wait_out", "watch"]

T = TypeVar("T")

# Seconds after which a stream without events had a connection: gRPC gives up connecting sooner.
_SURELY_CONNECTED = 30.0


async def watch(
    connection: AsyncConnection,
    name: str,
    after_sequence: int,
    token: str = "",
    *,
    deadline: float | None = None,
    on_waiting: Callable[[str], None] | None = None,
) -> AsyncGenerator[jobs_pb2.JobEvent]:
    """Yield the job's events after a sequence number, until it ends or the monotonic clock reads ``deadline``.

    Args:
        connection: To the server.
        name: ``jobs/{id}``.
        after_sequence: Sequence number of the last event seen; 0 for all events.
        token: The ``log_token`` of that event, "" if it is not known.
        deadline: Reading of the monotonic clock, in seconds.
        on_waiting: Called with the reason why the job waits.

    Raises:
        Unavailable: The server could not be reached for as long as the configured patience.
        DataLoss: The server left out an event, or has lost events that were seen.
        DeadlineExceeded: The job had not ended at the deadline.
        ServiceError: Any other refusal.
    """
    outage = Outage(connection.config.patience, deadline)
    while True:
        fault: ServiceError = Unavailable(f"the server ended the watch of {name} before the job ended")
        started = time.monotonic()
        try:
            async with aclosing(_stream(connection, name, after_sequence, token, deadline)) as events:
                async for event in events:
                    outage.over()
                    if on_waiting and event.bookmark.HasField("waiting"):
                        on_waiting(event.bookmark.waiting.message)
                    if event.sequence > after_sequence:
                        _check_next(name, after_sequence, event.sequence)
                        after_sequence, token = event.sequence, event.log_token
                        yield event
                    if event.HasField("finished"):
                        return
        except Unavailable as error:
            fault = error
        if time.monotonic() - started > _SURELY_CONNECTED:
            outage.over()
        await wait_out(outage, fault)


async def patiently(
    connection: AsyncConnection, call: Callable[[], Awaitable[T]], *, deadline: float | None = None
) -> T:
    """Return the answer of a call, repeated while the server is away, until the monotonic clock reads ``deadline``.

    Raises:
        Unavailable: The server was away for longer than the configured patience.
        DeadlineExceeded: It was still away at the deadline.
    """
    outage = Outage(connection.config.patience, deadline)
    while True:
        try:
            return await call()
        except Unavailable as error:
            await wait_out(outage, error)


async def wait_out(outage: Outage, fault: ServiceError) -> None:
    """Sleep until the next attempt is due.

    Raises:
        ServiceError: ``fault``, if the attempt would be beyond the patience.
        DeadlineExceeded: At the deadline.
    """
    await sleep(outage.pause(fault))
    outage.check_deadline(fault)


def _stream(
    connection: AsyncConnection, name: str, after_sequence: int, token: str, deadline: float | None
) -> AsyncGenerator[jobs_pb2.JobEvent]:
    left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
    request = jobs_pb2.WatchJobRequest(name=name, after_sequence=after_sequence, after_token=token)
    return connection.stream(connection.jobs.WatchJob, request, timeout=left)


def _check_next(name: str, seen: int, sequence: int) -> None:
    if sequence != seen + 1:
        raise DataLoss(f"{name}: event {sequence} came after event {seen}")
