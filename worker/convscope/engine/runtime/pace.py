"""Amounts of work for the calls of a compiled function."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Pace"]


class Pace:
    """Cuts equal units of work into calls of about equal time, none much longer than a limit.

    Threads that do the same work may share one object, which uses the latest measurement of any of them.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._unit_seconds: float | None = None
        self._compiled = False

    def next(self, remaining: int) -> int:
        """Return how many of the remaining units, at least 1, the next call should do, at least 1."""
        if self._unit_seconds is None:
            return 1
        most = max(1, int(self._limit_seconds / self._unit_seconds))
        calls = -(-remaining // most)
        return -(-remaining // calls)

    @contextmanager
    def measured(self, count: int) -> Iterator[None]:
        """Measure the time of ``count`` units; the first call is ignored, because it may compile."""
        started, compiled = time.perf_counter(), self._compiled
        yield
        if compiled:
            self._unit_seconds = (time.perf_counter() - started) / count
        self._compiled = True
