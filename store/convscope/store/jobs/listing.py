"""Walks over records by the time of their creation."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import cast

import redis

from convscope.store.jobs.records import Fields, text
from convscope.store.redis.keys import key

__all__ = ["walk_ids", "walk_times"]

# Records fetched in one round trip.
BATCH = 200


def walk_ids(
    connection: redis.Redis, indexes: Sequence[str], kind: str, after: str, *, newest_first: bool
) -> Iterator[tuple[str, Fields]]:
    """Yield the ids and records of some indexes whose ids sort by time.

    Args:
        connection: Redis.
        indexes: sorted sets of ids with equal scores; no id is in two of them.
        kind: name of the records' key in ``KEYS``.
        after: only ids that follow this one; ``""`` for all.
        newest_first: whether to begin with the newest.
    """
    walks = (_ids(connection, index, after, newest_first=newest_first) for index in indexes)
    return _records(connection, kind, merge(*walks, reverse=newest_first))


def walk_times(
    connection: redis.Redis, index: str, kind: str, after: tuple[int, str] | None, *, newest_first: bool
) -> Iterator[tuple[str, Fields]]:
    """Yield the ids and records of an index by time; equal times are ordered by id.

    Args:
        connection: Redis.
        index: sorted set of ids by time, in milliseconds.
        kind: name of the records' key in ``KEYS``.
        after: only records that follow this time and id; None for all.
        newest_first: whether to begin with the newest.
    """
    return _records(connection, kind, _ids_by_time(connection, index, after, newest_first=newest_first))


def _records(connection: redis.Redis, kind: str, ids: Iterable[str]) -> Iterator[tuple[str, Fields]]:
    ids = iter(ids)
    while batch := list(islice(ids, BATCH)):
        with connection.pipeline(transaction=False) as pipeline:
            for identifier in batch:
                pipeline.hgetall(key(kind, identifier))
            hashes = pipeline.execute()
        yield from ((identifier, fields) for identifier, fields in zip(batch, hashes, strict=True) if fields)


def _ids(connection: redis.Redis, index: str, after: str, *, newest_first: bool) -> Iterator[str]:
    first, last = ("+", "-") if newest_first else ("-", "+")
    read_range = connection.zrevrangebylex if newest_first else connection.zrangebylex
    place = f"({after}" if after else first
    while batch := [text(identifier) for identifier in read_range(index, place, last, start=0, num=BATCH)]:
        yield from batch
        place = f"({batch[-1]}"


def _ids_by_time(
    connection: redis.Redis, index: str, after: tuple[int, str] | None, *, newest_first: bool
) -> Iterator[str]:
    first, last = ("+inf", "-inf") if newest_first else ("-inf", "+inf")
    read_range = connection.zrevrangebyscore if newest_first else connection.zrangebyscore
    place, offset = after, 0
    while True:
        begin = place[0] if place else first
        reply = read_range(index, begin, last, start=offset, num=BATCH, withscores=True)
        pairs = cast("list[tuple[bytes, float]]", reply)
        batch = [(int(time), text(identifier)) for identifier, time in pairs]
        if not batch:
            return
        new = [item for item in batch if place is None or (item < place if newest_first else item > place)]
        yield from (identifier for _, identifier in new)
        # The next batch repeats ids with the time at which this one ends, unless it began with the same time.
        offset = offset + len(batch) if place and batch[-1][0] == place[0] else 0
        place = new[-1] if new else place
