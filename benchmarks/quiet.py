"""Detect whether other work disturbed a run; figures of a disturbed run prove nothing, met or not."""

import os
import resource
import time
from pathlib import Path

__all__ = ["MOST_FOREIGN_SHARE", "Watch"]

# Above this share of the processors used by other work, ratios of a few percent cannot be distinguished.
MOST_FOREIGN_SHARE = 0.05


class Watch:
    """Compares the processor time of the whole machine with this process's own and that of its ended descendants."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._machine, self._own = machine_seconds(), own_seconds()

    def foreign_share(self) -> float:
        """Return the share of the processors, 0 to 1, that others used since the start; call when children ended."""
        capacity = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        foreign = (machine_seconds() - self._machine) - (own_seconds() - self._own)
        return max(0.0, foreign / capacity) if capacity else 0.0


def machine_seconds() -> float:
    """Return the seconds that all processors have been busy, waiting for input and output not counted."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Return the processor seconds of this process and of the descendants that have been waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
