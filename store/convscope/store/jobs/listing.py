"""Walks over records, newest first."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import cast

import redis

from convscope.store.jobs.records import Fields, text
from convscope.store.redis.keys import key

__all__ = ["newest_first", "newest_first_by_time"]

# How many records are fetched at once.
BATCH = 200


def newest_first(
    connection: redis.Redis, indexes: Sequence[str], kind: str, before: str
) -> Iterator[tuple[str, Fields]]:
    """Yield the ids and records of some indexes, newest first.

    Args:
        connection: Redis.
        indexes: sorted sets of ids, which sort by time; no id is in two of them.
        kind: which records: what their key is called.
        before: only those older than this id, unless it is empty.
    """
    return _records(connection, kind, merge(*(_ids(connection, index, before) for index in indexes), reverse=True))


def newest_first_by_time(
    connection: redis.Redis, index: str, kind: str, before: tuple[int, str] | None
) -> Iterator[tuple[str, Fields]]:
    """Yield the ids and records of an index, newest first; of the same time, by id from the last.

    Args:
        connection: Redis.
        index: sorted set of ids by time.
        kind: which records: what their key is called.
        before: only those that come after this time and id.
    """
    return _records(connection, kind, _ids_by_time(connection, index, before))


def _records(connection: redis.Redis, kind: str, ids: Iterable[str]) -> Iterator[tuple[str, Fields]]:
    ids = iter(ids)
    while batch := list(islice(ids, BATCH)):
        with connection.pipeline(transaction=False) as pipeline:
            for identifier in batch:
                pipeline.hgetall(key(kind, identifier))
            hashes = pipeline.execute()
        yield from ((identifier, fields) for identifier, fields in zip(batch, hashes, strict=True) if fields)


def _ids(connection: redis.Redis, index: str, before: str) -> Iterator[str]:
    upper = f"({before}" if before else "+"
    while batch := [text(found) for found in connection.zrevrangebylex(index, upper, "-", start=0, num=BATCH)]:
        yield from batch
        upper = f"({batch[-1]}"


def _ids_by_time(connection: redis.Redis, index: str, before: tuple[int, str] | None) -> Iterator[str]:
    place, offset = before, 0
    while True:
        upper = place[0] if place else "+inf"
        found = connection.zrevrangebyscore(index, upper, "-inf", start=offset, num=BATCH, withscores=True)
        batch = [(int(time), text(identifier)) for identifier, time in cast("list[tuple[bytes, float]]", found)]
        if not batch:
            return
        new = [item for item in batch if place is None or item < place]
        yield from (identifier for _, identifier in new)
        # Those of the time at which the batch ends come again, unless it ends where it began.
        offset = offset + len(batch) if place and batch[-1][0] == place[0] else 0
        place = new[-1] if new else place
