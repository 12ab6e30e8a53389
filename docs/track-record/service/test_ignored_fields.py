"""A field that CreateJob does not know is refused."""

import pytest
import redis

from convscope.service.errors import InvalidRequestError
from convscope.service.validation import plan_job
from convscope.store import ModelStore
from convscope.v1.jobs_pb2 import CreateJobRequest, JobSpec
from convscope.v1.train_pb2 import TrainSpec

# The field 99, a varint of 1, as it is on the wire.
NEW = b"\x98\x06\x01"


def test_a_field_that_is_not_known_is_refused(connection: redis.Redis) -> None:
    models = ModelStore(connection)
    plan_job(CreateJobRequest(spec=JobSpec(train=TrainSpec())), models)
    with pytest.raises(InvalidRequestError):
        plan_job(CreateJobRequest(spec=JobSpec(train=TrainSpec.FromString(NEW))), models)
