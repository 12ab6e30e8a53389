"""Walks over all records of a kind."""

from collections.abc import Callable, Iterator

import redis

from convscope.store.jobs.records import Fields, text

__all__ = ["newest_first"]

# How many records are fetched at once.
BATCH = 200


def newest_first(
    connection: redis.Redis, index: str, key: Callable[[str], str], before: str
) -> Iterator[tuple[str, Fields]]:
    """Yield the ids and records of an index, newest first, those older than the id ``before`` unless it is empty."""
    upper = f"({before}" if before else "+"
    while batch := [text(found) for found in connection.zrevrangebylex(index, upper, "-", start=0, num=BATCH)]:
        with connection.pipeline(transaction=False) as pipeline:
            for identifier in batch:
                pipeline.hgetall(key(identifier))
            hashes = pipeline.execute()
        yield from ((identifier, fields) for identifier, fields in zip(batch, hashes, strict=True) if fields)
        upper = f"({batch[-1]}"
