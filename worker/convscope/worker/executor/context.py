"""The context of an attempt: turns callbacks into events, and requests to stop into exceptions."""

from collections.abc import Iterator
from dataclasses import dataclass

import redis

from convscope.engine import Interruption
from convscope.engine.runtime.caches import Caches
from convscope.store import Attempt, BlobStore, StaleAttemptError, failpoint, read_log
from convscope.v1.jobs_pb2 import JobEvent
from convscope.worker.executor.lease import LeaseKeeper
from convscope.worker.settings import WorkerSettings

__all__ = ["AttemptContext", "CancelledError", "DrainedError", "StopRequest"]


# Events read from the log at a time.
LOG_PAGE = 1_000


class CancelledError(Interruption):
    """The job was asked to stop."""


class DrainedError(Interruption):
    """The worker stops; another one is to take over the part."""


@dataclass(slots=True)
class StopRequest:
    """A supervisor's request to its executor; set by signal handlers.

    Attributes:
        drain: give the part back at the next pulse.
        last: claim no other part after this one.
    """

    drain: bool = False
    last: bool = False

    @property
    def any(self) -> bool:
        """Whether the executor is to end, now or after its part."""
        return self.drain or self.last


class AttemptContext:
    """The interface between a computation and its attempt.

    Args:
        connection: to Redis.
        attempt: holds the part.
        blobs: store of images and results.
        lease: keeps the attempt alive.
        stop: the supervisor's request.
        caches: what the process keeps from part to part.
        settings: of the worker.
    """

    def __init__(
        self,
        connection: redis.Redis,
        attempt: Attempt,
        blobs: BlobStore,
        lease: LeaseKeeper,
        stop: StopRequest,
        *,
        caches: Caches | None = None,
        settings: WorkerSettings | None = None,
    ) -> None:
        self.redis = connection
        self.attempt = attempt
        self.blobs = blobs
        self._lease = lease
        self.caches = caches or Caches()
        self.settings = settings or WorkerSettings()
        self._stop = stop

    def pulse(self) -> None:
        """Stop the computation if it was asked to; to be called at least twice a second.

        Raises:
            DrainedError: if the worker stops.
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        failpoint("executor.pulse")
        if self._lease.over:
            raise StaleAttemptError(f"attempt {self.attempt.number} at jobs/{self.attempt.job_id} is over")
        if self._lease.cancelled:
            raise CancelledError
        if self._stop.drain:
            raise DrainedError

    def logged(self) -> Iterator[JobEvent]:
        """Yield the job's events so far, those of earlier attempts included, without the content of blobs."""
        after = 0
        while entries := read_log(self.redis, self.attempt.job_id, after, LOG_PAGE).entries:
            yield from (JobEvent.FromString(entry.event) for entry in entries)
            after = entries[-1].sequence

    def event(self, event: JobEvent, blob: str = "", kept: int = 0) -> None:
        """Append an event; see ``Attempt.report``.

        Raises:
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        if self.attempt.report(event, blob, kept).cancel_requested:
            raise CancelledError
