"""The time of this machine; the failpoint ``clock`` shifts it in tests."""

import time

from convscope.store.failpoints import value

__all__ = ["now_ns"]


def now_ns() -> int:
    """Return the nanoseconds since 1970."""
    return time.time_ns() + int(float(value("clock", "0")) * 1e9)
