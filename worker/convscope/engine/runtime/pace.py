"""How much to do in one call of a compiled function."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Pace"]


class Pace:
    """Cuts a number of equal units of work into calls of about equal length, none much longer than a time limit.

    Threads that do the same work may share one: any of them may have learned last.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._seconds_each: float | None = None
        self._compiled = False

    def next(self, remaining: int) -> int:
        """Return how many of the remaining units, at least 1, the next call should do, at least 1."""
        if self._seconds_each is None:
            return 1
        most = max(1, int(self._limit_seconds / self._seconds_each))
        calls = -(-remaining // most)
        return -(-remaining // calls)

    @contextmanager
    def measured(self, count: int) -> Iterator[None]:
        """Learn from the time that `count` units take; the first call is not typical, because it may compile."""
        started, compiled = time.perf_counter(), self._compiled
        yield
        if compiled:
            self._seconds_each = (time.perf_counter() - started) / count
        self._compiled = True
