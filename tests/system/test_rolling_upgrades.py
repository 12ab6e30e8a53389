"""A worker that is older than the service: it says so, and computes nothing else instead."""

from unittest import mock

import pytest
import redis

from convscope.store import JobStore
from convscope.store.redis.scripts import counted
from convscope.v1.jobs_pb2 import Failure, Job, JobSpec, JobState
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.api import Api
from support.stack import Stack

# The field 99 of a spec, as it is on the wire.
NEW = b"\x98\x06\x01"


def create(stack: Stack, spec: JobSpec, stored: dict[str, bytes | int]) -> Job:
    """Return a job as a newer service would store it."""
    with redis.Redis.from_url(stack.redis_url) as connection:
        creating = mock.patch(
            "convscope.store.jobs.jobs.counted", lambda pairs: counted((dict(pairs) | stored).items())
        )
        with creating:
            job, _ = JobStore(connection).create(spec, request_digest="d")
    return job


@pytest.mark.parametrize("kind", ["new field", "new kind", "new plan"])
def test_a_worker_that_is_too_old_says_so(pair: Stack, pair_api: Api, kind: str) -> None:
    train, visualize = JobSpec(train=TrainSpec(iterations=0)), JobSpec(visualize=VisualizeSpec())
    match kind:
        case "new field":
            stored = JobSpec(train=TrainSpec.FromString(train.train.SerializeToString() + NEW)).SerializeToString()
            job, what = create(pair, train, {"spec": stored}), "field 99 of TrainSpec"
        case "new kind":
            job, what = create(pair, train, {"spec": NEW}), "field 99 of JobSpec"
        case _:
            job, what = create(pair, visualize, {"planning": 99}), "parts of planning version 99"
    ended = pair_api.finish(job)
    assert ended.state == JobState.JOB_STATE_FAILED
    assert ended.failure.reason == Failure.REASON_COMPUTATION
    assert f"older than the service that made the job, and does not know {what}" in ended.failure.message
