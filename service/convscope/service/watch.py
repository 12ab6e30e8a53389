"""Follows a job's event log from any sequence number to the end of the job."""

from collections.abc import AsyncIterator

from convscope.service.backend import Backend
from convscope.service.hub import NotifyHub, Subscription
from convscope.store import LogEntry, hydrate, read_log
from convscope.v1.jobs_pb2 import Bookmark, JobEvent

__all__ = ["watch_job"]

# Events read from the log at a time.
PAGE = 500

# How long a watch waits for news before it looks into the log by itself, in seconds.
IDLE_S = 10.0


async def watch_job(
    backend: Backend, hub: NotifyHub, job_id: str, after: int, token: str = ""
) -> AsyncIterator[JobEvent]:
    """Yield events ``after + 1``, ``after + 2``, ... as they happen, up to the job's last, and bookmarks in between.

    Args:
        backend: the service's stores.
        hub: wakes the watch.
        job_id: whose events.
        after: sequence of the last event seen, or 0.
        token: of that event, or ``""``.

    Raises:
        NotFoundError: if there is no such job.
        LogTrimmedError: if event ``after + 1`` is gone.
        LogLostError: if the log ends before ``after``, or is no longer the one that was seen.
        BlobDamagedError: if an image or result is missing or damaged.
    """
    watch = _Watch(backend, job_id, after, token)
    with hub.subscribe(job_id) as subscription:  # before the log is read, so that nothing falls in between
        while not watch.complete:
            async for event in watch.from_log():
                yield event
            async for event in watch.from_news(subscription):
                yield event


class _Watch:
    """How far a watch has come."""

    def __init__(self, backend: Backend, job_id: str, after: int, token: str) -> None:
        self._backend = backend
        self._job_id = job_id
        self._after = after
        self._token = token
        self.complete = False

    async def from_log(self) -> AsyncIterator[JobEvent]:
        """Yield what the log has."""
        entries = True
        while entries and not self.complete:
            page = await self._backend.run(read_log, self._backend.redis, self._job_id, self._after, PAGE, self._token)
            for entry in page.entries:
                yield await self._event(entry)
            entries = bool(page.entries)
            self.complete = page.complete

    async def from_news(self, subscription: Subscription) -> AsyncIterator[JobEvent]:
        """Yield what happens, until nothing does for a while or some of it was dropped: then the log is to be read."""
        while not self.complete:
            news = await subscription.take(IDLE_S)
            if not news:
                yield JobEvent(sequence=self._after, bookmark=Bookmark())
                return
            for entry in news:
                if entry.sequence <= self._after:
                    continue
                if entry.sequence != self._after + 1 or not entry.follows(self._token):
                    return
                event = await self._event(entry)
                self.complete = event.HasField("finished")
                yield event

    async def _event(self, entry: LogEntry) -> JobEvent:
        self._after, self._token = entry.sequence, entry.token
        if not entry.blob:
            return hydrate(entry, self._backend.blobs)
        return await self._backend.run_blob(hydrate, entry, self._backend.blobs)
