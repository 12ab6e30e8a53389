"""How many steps to do in one call, and how fast training goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Pace", "Speed"]


class Pace:
    """Cuts the way to the next report into calls of about equal length, none much longer than a time limit."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._seconds_per_step: float | None = None
        self._compiled = False

    def steps(self, remaining: int) -> int:
        """Return how many of the remaining steps, at least 1, the next call should do, at least 1."""
        if self._seconds_per_step is None:
            return 1
        most = max(1, int(self._limit_seconds / self._seconds_per_step))
        calls = -(-remaining // most)
        return -(-remaining // calls)

    @contextmanager
    def measured(self, steps: int) -> Iterator[None]:
        """Learn from the time that `steps` steps take; the first call is not typical, because it compiles."""
        started = time.perf_counter()
        yield
        if self._compiled:
            self._seconds_per_step = (time.perf_counter() - started) / steps
        self._compiled = True


class Speed:
    """Steps per second from report to report, and from the first report to the last."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._latest: tuple[int, float] | None = None

    def report(self, step: int) -> float:
        """Return the speed since the report before, in steps per second; 0 for the first report."""
        before, self._latest = self._latest, (step, time.perf_counter())
        self._first = self._first or self._latest
        return _rate(before, self._latest)

    def overall(self) -> float:
        """Return the speed from the first report to the latest, in steps per second; 0 if there are not two."""
        return _rate(self._first, self._latest)


def _rate(start: tuple[int, float] | None, end: tuple[int, float] | None) -> float:
    if start is None or end is None or start == end:
        return 0.0
    return (end[0] - start[0]) / max(end[1] - start[1], 1e-9)
