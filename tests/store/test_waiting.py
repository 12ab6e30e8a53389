"""Jobs that cannot start say why."""

import pytest
import redis

from convscope.store import JobStore, read_log, settle_waiters
from convscope.store.jobs.waiting import waiting_reason
from convscope.store.redis.keys import key
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import AttemptStarted, Failure, Job, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from support import part_jobs


@pytest.mark.parametrize(("deleted", "reason"), [(False, "did not succeed"), (True, "was deleted before")])
def test_what_became_of_the_model_is_reported(connection: redis.Redis, deleted: bool, reason: str) -> None:
    jobs = JobStore(connection)
    training, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    spec = JobSpec(evaluate=EvaluateSpec(model=training.model))
    waiting, _ = jobs.create(spec, request_digest="e", needs=training.model)
    assert waiting.state == JobState.JOB_STATE_WAITING
    model_id = training.model.removeprefix("models/")
    if deleted:  # its training was ready, and the process that should have told the waiting jobs died before
        connection.delete(key("model", model_id))
    else:
        connection.hset(key("model", model_id), "state", "failed")
    settle_waiters(connection, model_id)
    failed = jobs.get(waiting.name)
    assert (failed.state, failed.failure.reason) == (JobState.JOB_STATE_FAILED, Failure.REASON_MODEL)
    assert reason in failed.failure.message
    assert training.model in failed.failure.message


def test_a_job_that_waits_for_a_model_names_it_in_listings_too(connection: redis.Redis) -> None:
    jobs = JobStore(connection)
    training, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    spec = JobSpec(evaluate=EvaluateSpec(model=training.model))
    waiting, _ = jobs.create(spec, request_digest="e", needs=training.model)
    for job in (waiting, jobs.get(waiting.name), next(jobs.walk())):
        assert job.waiting.resource == training.model
    assert not jobs.get(training.name).HasField("waiting")
    (entry, *_) = read_log(connection, waiting.name.removeprefix("jobs/"), 0, 10).entries
    assert JobEvent.FromString(entry.event).waiting.resource == training.model
    assert waiting_reason(connection, waiting) == waiting.waiting


def test_what_an_attempt_resumes_from_is_reported_by_kind(connection: redis.Redis) -> None:
    job = part_jobs.create(connection, 1)
    first = part_jobs.claim(connection, job)
    first.report_images([part_jobs.image(0), part_jobs.image(1)], kept=2)
    first.release()
    part_jobs.claim(connection, job)
    begun, again = started(connection, job)
    assert (begun.worker, begun.WhichOneof("resumed")) == ("workers/w", None)
    assert (again.WhichOneof("resumed"), again.image_count) == ("image_count", 2)


def started(connection: redis.Redis, job: Job) -> list[AttemptStarted]:
    events = [JobEvent.FromString(entry.event) for entry in read_log(connection, job.name[5:], 0, 100).entries]
    return [event.attempt_started for event in events if event.HasField("attempt_started")]
