"""Turns the callbacks of a computation into events, and requests to stop into exceptions."""

import time

import redis

from convscope.store import Attempt, BlobStore
from convscope.store.scripted import Written
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["CancelledError", "DrainedError", "Reporter"]

# How often a computation asks whether it is still wanted, in seconds.
POLL_S = 0.5


class CancelledError(Exception):
    """The job was asked to stop."""


class DrainedError(Exception):
    """The worker stops; another one is to take the part up."""


class Reporter:
    """One attempt's way to the outside.

    Args:
        connection: Redis.
        attempt: holds the part.
        blobs: where images and results go.
    """

    def __init__(self, connection: redis.Redis, attempt: Attempt, blobs: BlobStore) -> None:
        self.redis = connection
        self.attempt = attempt
        self.blobs = blobs
        self._drained = False
        self._next_poll = 0.0

    def drain(self) -> None:
        """Have the next pulse end the computation; safe to call from a signal handler."""
        self._drained = True

    def pulse(self) -> None:
        """Stop the computation if somebody asked for it; to be called at least twice a second.

        Raises:
            DrainedError: if the worker stops.
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        if self._drained:
            raise DrainedError
        if time.monotonic() >= self._next_poll:
            self._heed(self.attempt.poll())

    def event(self, event: JobEvent, blob: str = "") -> None:
        """Append an event.

        Raises:
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        self._heed(self.attempt.report(event, blob))

    def _heed(self, written: Written) -> None:
        self._next_poll = time.monotonic() + POLL_S
        if written.cancel_requested:
            raise CancelledError
