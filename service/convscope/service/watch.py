"""Follows a job's event log from any sequence number to the end of the job."""

from collections.abc import AsyncIterator

from convscope.service.backend import Backend
from convscope.service.deletions import unless_deleted
from convscope.service.hub import NotifyHub, Subscription
from convscope.service.image_formats import send_as
from convscope.store import LogEntry, hydrate, read_log, waiting_reason
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.jobs_pb2 import Bookmark, JobEvent

__all__ = ["watch_job"]

# Events read from the log at a time.
PAGE = 500

# How long a watch waits for events before it reads the log by itself, in seconds.
IDLE_S = 10.0

# How long after a job was queued its watchers are told why it waits, in seconds.
WAITING_S = 3.0


async def watch_job(
    backend: Backend,
    hub: NotifyHub,
    job_id: str,
    after: int,
    token: str = "",
    *,
    image_format: ImageFormat.ValueType = ImageFormat.IMAGE_FORMAT_FLOAT32,
) -> AsyncIterator[JobEvent]:
    """Yield events ``after + 1``, ``after + 2``, ... as they happen, up to the job's last, and bookmarks in between.

    Args:
        backend: the service's stores.
        hub: wakes the watch.
        job_id: the job's id.
        after: sequence of the last event seen, or 0.
        token: token of that event, or ``""``.
        image_format: how images are sent.

    Raises:
        InvalidRequestError: if this format cannot hold an image.
        NotFoundError: if the job does not exist.
        LogLostError: if the log ends before ``after``, is no longer the one that was seen, or lacks an event.
        BlobDamagedError: if an image or result is missing or damaged.
    """
    watch = _Watch(backend, job_id, after, token, image_format)
    with hub.subscribe(job_id) as subscription:  # before the log is read, so that nothing falls in between
        while not watch.complete:
            async for event in watch.from_log():
                yield event
            async for event in watch.from_news(subscription):
                yield event


class _Watch:
    """The position of a watch in the log."""

    def __init__(
        self, backend: Backend, job_id: str, after: int, token: str, image_format: ImageFormat.ValueType
    ) -> None:
        self._backend = backend
        self._job_id = job_id
        self._after = after
        self._token = token
        self._image_format = image_format
        self._begins_to_wait = False
        self.complete = False

    async def from_log(self) -> AsyncIterator[JobEvent]:
        """Yield the events in the log."""
        entries = True
        while entries and not self.complete:
            page = await self._backend.run(read_log, self._backend.redis, self._job_id, self._after, PAGE, self._token)
            for entry in page.entries:
                yield await self._event(entry)
            entries = bool(page.entries)
            self.complete = page.complete

    async def from_news(self, subscription: Subscription) -> AsyncIterator[JobEvent]:
        """Yield new events until none comes for a while, or one was dropped: then the log must be read."""
        while not self.complete:
            news = await subscription.take(WAITING_S if self._begins_to_wait else IDLE_S)
            if not news:
                yield await self._bookmark()
                return
            for entry in news:
                if entry.sequence <= self._after:
                    continue
                if entry.sequence != self._after + 1 or not entry.follows(self._token):
                    return
                event = await self._event(entry)
                self.complete = event.HasField("finished")
                yield event

    async def _bookmark(self) -> JobEvent:
        self._begins_to_wait = False
        job = await self._backend.run(self._backend.jobs.get, f"jobs/{self._job_id}")
        waiting = await self._backend.run(waiting_reason, self._backend.redis, job)
        return JobEvent(sequence=self._after, bookmark=Bookmark(waiting=waiting))

    async def _event(self, entry: LogEntry) -> JobEvent:
        self._after, self._token = entry.sequence, entry.token
        if entry.blob:
            return await self._backend.run_blob(self._completed, entry)
        event = hydrate(entry, self._backend.blobs)
        self._begins_to_wait = event.WhichOneof("event") in {"waiting", "queued"}
        return event

    def _completed(self, entry: LogEntry) -> JobEvent:
        """Return an event completed by its image or result."""
        with unless_deleted(self._backend.jobs.get, f"jobs/{self._job_id}"):
            event = hydrate(entry, self._backend.blobs)
        if event.HasField("image_ready"):
            event.image_ready.image.ClearField("frames")  # an event would be as large as all of them
            send_as(self._image_format, event.image_ready.image)
        return event
