"""The images of a visualization: their names and subjects, and which are ready."""

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
    """Return image ``number`` of a job with only its name and subject.

    The blob of an image has everything else: jobs that share a blob number it differently.

    Raises:
        IndexError: if there is no image with this number.
    """
    target, item = order.target_of(number), order.item(number)
    image = Image(name=image_name(job_id, number), restart=item.restart)
    if target.objective is None:
        image.feature.CopyFrom(Feature(layer=target.name, index=item.feature))
    else:
        image.objective.CopyFrom(ObjectiveRef(index=target.objective, name=target.name))
    return image


def ready_images(connection: redis.Redis, job_id: str, numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield number and blob digest of those of the images that are ready, in the given order."""
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        digests = connection.hmget(key("images", job_id), [str(number) for number in batch])
        yield from ((number, records.text(digest)) for number, digest in zip(batch, digests, strict=True) if digest)
