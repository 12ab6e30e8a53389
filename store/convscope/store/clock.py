"""What time it is here. Tests put the clocks of processes apart by the failpoint ``clock``."""

import time
from datetime import UTC, datetime

from convscope.store.failpoints import value

__all__ = ["now", "now_ns"]


def now_ns() -> int:
    """Return the nanoseconds since 1970."""
    return time.time_ns() + int(float(value("clock", "0")) * 1e9)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.fromtimestamp(now_ns() / 1e9, UTC)
