"""How fast training goes."""

import time

__all__ = ["Speed"]


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
