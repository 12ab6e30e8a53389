"""The images of a visualization: what each is called and shows, and which are ready."""

from collections.abc import Iterator, Sequence

import redis

from convscope.planning import ImageOrder
from convscope.store.jobs import records
from convscope.store.names import image_name
from convscope.store.redis.keys import key
from convscope.v1.feature_pb2 import Feature, ObjectiveRef
from convscope.v1.visualize_pb2 import Image

__all__ = ["addressed", "ready_images"]

# Images looked up in one command.
BATCH = 1_000


def addressed(job_id: str, order: ImageOrder, number: int) -> Image:
    """Return image ``number`` of a job with its name and subject alone.

    The blob of an image has all but these: jobs that share it number it differently.

    Raises:
        IndexError: if there is none of this number.
    """
    target, item = order.target_of(number), order.item(number)
    made = Image(name=image_name(job_id, number), restart=item.restart)
    if target.objective is None:
        made.feature.CopyFrom(Feature(layer=target.name, index=item.feature))
    else:
        made.objective.CopyFrom(ObjectiveRef(index=target.objective, name=target.name))
    return made


def ready_images(connection: redis.Redis, job_id: str, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the number and the blob's digest of each of these images that is ready, in the given order."""
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        digests = connection.hmget(key("images", job_id), [str(number) for number in batch])
        yield from ((number, records.text(digest)) for number, digest in zip(batch, digests, strict=True) if digest)
