"""Jobs that wait in vain say why."""

import pytest
import redis

from convscope.store import JobStore, settle_waiters
from convscope.store.redis.keys import key
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec


@pytest.mark.parametrize(("deleted", "said"), [(False, "did not succeed"), (True, "was deleted before")])
def test_what_became_of_the_model_is_told(connection: redis.Redis, deleted: bool, said: str) -> None:
    jobs = JobStore(connection)
    training, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    spec = JobSpec(evaluate=EvaluateSpec(model=training.model))
    waiting, _ = jobs.create(spec, request_digest="e", needs=training.model)
    assert waiting.state == JobState.JOB_STATE_WAITING
    model_id = training.model.removeprefix("models/")
    if deleted:  # its training was ready, and whoever should have told those who wait died before
        connection.delete(key("model", model_id))
    else:
        connection.hset(key("model", model_id), "state", "failed")
    settle_waiters(connection, model_id)
    failed = jobs.get(waiting.name)
    assert (failed.state, failed.failure.reason) == (JobState.JOB_STATE_FAILED, Failure.REASON_MODEL)
    assert said in failed.failure.message
    assert training.model in failed.failure.message
