"""The layout of records in Redis: a Redis with records in another layout is not touched."""

import redis

from convscope.store.errors import LayoutError
from convscope.store.names import new_id
from convscope.store.redis.keys import KEYS
from convscope.store.redis.scripts import Scripts, listed

__all__ = ["LAYOUT", "check_layout", "layout_fault"]

# Number of the layout that this version reads and writes; version 0.1 had the first one, and did not store its number.
# Raise it with every new required field of records, and with every change of a stored message or of an index's key.
LAYOUT = 4

# Keys one of which exists as soon as there are records, in any layout.
RECORDS = (KEYS["jobs"], KEYS["models"], KEYS["references"], "convscope:active")


def check_layout(connection: redis.Redis) -> None:
    """Refuse a Redis whose records have another layout; give an empty one its deployment's id.

    Raises:
        LayoutError: saying what to do.
        redis.RedisError: if it does not answer or refuses writes.
    """
    status, *stored = Scripts(connection).run("identify", new_id(), LAYOUT, *listed(RECORDS))
    if status == b"layout":
        raise LayoutError("; ".join(_explain(stored[0].decode())))


def layout_fault(connection: redis.Redis) -> tuple[str, str]:
    """Return what is wrong with the layout of records, and what to do; empty if it is right. Changes nothing."""
    layout = connection.hget(KEYS["deployment"], "layout")
    if layout is None:
        return _explain("") if connection.exists(*RECORDS) else ("", "")
    stored = layout if isinstance(layout, str) else layout.decode()
    return _explain(stored) if stored != str(LAYOUT) else ("", "")


def _explain(layout: str) -> tuple[str, str]:
    """Return what is wrong with a layout, and what to do."""
    if layout.isdecimal() and int(layout) > LAYOUT:
        return (
            f"Redis has records of a newer version (layout {layout}, this version knows {LAYOUT})",
            "update convscope, or use another Redis or database number",
        )
    writer = "an earlier version" if layout else "version 0.1 or before"
    return (
        f"Redis has records of {writer} (layout {layout or 1}, this version knows {LAYOUT})",
        "empty it with `redis-cli -n NUMBER flushdb`, or use another Redis or database number",
    )
