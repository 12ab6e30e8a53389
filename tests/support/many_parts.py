"""Visualizations in parts that are shorter than those of the service."""

from collections.abc import Iterable

import redis

from convscope.planning import plan_visualization
from convscope.store import JobStore, layer_shapes, visualization_request
from convscope.v1.jobs_pb2 import Job, JobEvent, JobSpec
from convscope.v1.models_pb2 import GetModelRequest
from convscope.v1.visualize_pb2 import Image, ImageReady, VisualizeSpec
from support.api import PATIENCE_S, Api
from support.stack import Stack
from support.subjects import subject, unnamed

__all__ = ["by_feature", "create_parts", "images"]


def create_parts(stack: Stack, api: Api, spec: VisualizeSpec, seconds: float) -> Job:
    """Create a job in parts of so many seconds, by estimate.

    Args:
        stack: where.
        api: its stubs.
        spec: every default filled in, as that of a job.
        seconds: of one worker.
    """
    layers = api.models.GetModel(GetModelRequest(name=spec.model), timeout=PATIENCE_S).layers
    parts = len(plan_visualization(visualization_request(spec), layer_shapes(layers), seconds).parts)
    with redis.Redis.from_url(stack.redis_url) as connection:
        job, _ = JobStore(connection).create(
            JobSpec(visualize=spec), request_digest="d", needs=spec.model, parts=parts, part_seconds=seconds
        )
    return job


def images(events: Iterable[JobEvent]) -> list[ImageReady]:
    """Return the images among events, whose count must go up by one each time."""
    ready = [event.image_ready for event in events if event.HasField("image_ready")]
    assert [event.completed_count for event in ready] == list(range(1, len(ready) + 1))
    return ready


def by_feature(ready: Iterable[ImageReady]) -> dict[tuple[str, int], Image]:
    """Return the images, without their names, by what they are of."""
    return {subject(event.image): unnamed(event.image) for event in ready}
