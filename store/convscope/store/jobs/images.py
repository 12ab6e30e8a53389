"""Which images of a visualization are ready."""

from collections.abc import Iterator, Sequence

import redis

from convscope.store.jobs import records
from convscope.store.redis.keys import key

__all__ = ["ready_images"]

# Images looked up in one command.
BATCH = 1_000


def ready_images(connection: redis.Redis, job_id: str, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the number and the blob's digest of each of these images that is ready, in the given order."""
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        digests = connection.hmget(key("images", job_id), [str(number) for number in batch])
        yield from ((number, records.text(digest)) for number, digest in zip(batch, digests, strict=True) if digest)
