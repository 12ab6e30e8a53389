"""Speed of training."""

import time

__all__ = ["Speed"]


class Speed:
    """Steps per second from report to report, and from the first step to the last report."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._latest: tuple[int, float] | None = None

    def begin(self, step: int) -> None:
        """Start to measure; later calls change nothing. The first step is left out, because it may compile."""
        if self._first is None:
            self._first = self._latest = (step, time.perf_counter())

    def report(self, step: int) -> float | None:
        """Return the speed since the previous report, in steps per second; None if no step was done since."""
        before, self._latest = self._latest, (step, time.perf_counter())
        return _rate(before, self._latest)

    def overall(self) -> float | None:
        """Return the speed from the first step to the latest report, in steps per second; None without one."""
        return _rate(self._first, self._latest)


def _rate(start: tuple[int, float] | None, end: tuple[int, float] | None) -> float | None:
    if start is None or end is None or start[0] == end[0]:
        return None
    return (end[0] - start[0]) / max(end[1] - start[1], 1e-9)
