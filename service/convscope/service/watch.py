"""Follows a job's event log from any sequence number to the end of the job."""

from collections.abc import AsyncIterator

from convscope.service.backend import Backend
from convscope.service.hub import NotifyHub, Subscription
from convscope.store import LogEntry, hydrate, read_log
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["watch_job"]

# Events read from the log at a time.
PAGE = 500

# How long a watch waits for news before it looks into the log by itself, in seconds.
IDLE_S = 10.0


async def watch_job(backend: Backend, hub: NotifyHub, job_id: str, after: int) -> AsyncIterator[JobEvent]:
    """Yield events ``after + 1``, ``after + 2``, ... as they happen, up to the job's last.

    Raises:
        NotFoundError: if there is no such job.
        LogTrimmedError: if event ``after + 1`` is gone.
        LogLostError: if the log ends before ``after``.
        BlobDamagedError: if an image or result is missing or damaged.
    """
    with hub.subscribe(job_id) as subscription:  # before the log is read, so that nothing falls in between
        async for entry in _entries(backend, subscription, job_id, after):
            yield await backend.run(hydrate, entry, backend.blobs) if entry.blob else hydrate(entry, backend.blobs)


async def _entries(backend: Backend, subscription: Subscription, job_id: str, after: int) -> AsyncIterator[LogEntry]:
    behind = True
    while True:
        if behind:
            found = await backend.run(read_log, backend.redis, job_id, after, PAGE)
            behind = len(found) == PAGE
        else:
            found = await subscription.take(IDLE_S)
            behind = not found
        for entry in found:
            if entry.sequence <= after:
                continue
            if entry.sequence > after + 1:  # the subscription dropped some
                behind = True
                break
            yield entry
            after = entry.sequence
            if entry.is_last:
                return
