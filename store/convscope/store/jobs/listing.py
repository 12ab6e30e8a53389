"""Walks over records, newest first."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

import redis

from convscope.store.jobs.records import Fields, text
from convscope.store.redis.keys import key

__all__ = ["newest_first"]

# How many records are fetched at once.
BATCH = 200


def newest_first(
    connection: redis.Redis, indexes: Sequence[str], kind: str, before: str
) -> Iterator[tuple[str, Fields]]:
    """Yield the ids and records of some indexes, newest first.

    Args:
        connection: Redis.
        indexes: sorted sets of ids; no id is in two of them.
        kind: which records: what their key is called.
        before: only those older than this id, unless it is empty.
    """
    ids = merge(*(_ids(connection, index, before) for index in indexes), reverse=True)
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
