"""Jobs whose models cannot be described before they are made: checked in form at once, and in full then."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis

from convscope.service.validation import plan_job
from convscope.store import JobStore, ModelStore, settle_waiters
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, Job, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import LayerSelection, VisualizeSpec
from support import part_jobs
from support.api import Api, connect, creating, refused, violations, wait_for
from support.service_alone import service_alone


@pytest.fixture
def api(connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Api]:
    with service_alone(redis_server.url, tmp_path) as (address, _), connect(address) as connected:
        yield connected


@pytest.fixture
def parent(connection: redis.Redis) -> Job:
    """A job that makes a model of which nothing is known before."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    return job


def make(connection: redis.Redis, parent: Job) -> None:
    """Make the model, the tutorial's network, as its executor does."""
    planned = plan_job(creating(TrainSpec()), ModelStore(connection))
    assert planned.model is not None
    planned.model.digest.sha256 = "file"
    part_jobs.claim(connection, parent).succeed("", planned.model)
    settle_waiters(connection, parent.model.removeprefix("models/"))


def test_jobs_are_planned_when_their_model_is_made(connection: redis.Redis, api: Api, parent: Job) -> None:
    specs: list[VisualizeSpec | EvaluateSpec | TrainSpec] = [
        VisualizeSpec(model=parent.model),
        EvaluateSpec(model=parent.model),
        TrainSpec(continue_from=parent.model, iterations=3),
    ]
    jobs = [api.create(spec) for spec in specs]
    further = api.create(EvaluateSpec(model=jobs[2].model))
    for job in (*jobs, further):
        assert (job.state, job.HasField("effective_spec"), job.HasField("estimate")) == (
            JobState.JOB_STATE_WAITING,
            False,
            False,
        )
    make(connection, parent)
    for job in jobs:
        wait_for(api, job, "queued")
    visualize, evaluate, train = map(api.get, jobs)
    assert visualize.spec.visualize == specs[0]
    chosen = visualize.effective_spec.visualize.selections
    assert [selection.name for selection in chosen] == ["conv1", "conv2", "dense1", "logits"]
    assert visualize.estimate.stored_bytes > 0
    assert evaluate.effective_spec.evaluate.batch_size == 256
    assert (train.effective_spec.train.dataset, train.effective_spec.train.batch_size) == ("datasets/mnist", 64)
    assert len(ModelStore(connection).get(train.model).layers) == 7
    assert api.get(further).state == JobState.JOB_STATE_WAITING


def test_faults_that_are_found_then_are_the_failure(connection: redis.Redis, api: Api, parent: Job) -> None:
    selections = [LayerSelection(name="conv1"), LayerSelection(name="conv9")]
    job = api.create(VisualizeSpec(model=parent.model, selections=selections))
    assert job.state == JobState.JOB_STATE_WAITING
    make(connection, parent)
    failure = wait_for(api, job, "finished").finished.failure
    assert failure.reason == Failure.REASON_INVALID
    assert [violation.field for violation in failure.violations] == ["job.spec.visualize.selections[1].name"]
    assert failure == api.get(job).failure
    known = refused(lambda: api.create(VisualizeSpec(model=parent.model, selections=selections)))
    faults = {violation.field: violation.description for violation in failure.violations}
    assert violations(known) == faults  # as if the model had been there from the beginning


def test_the_form_is_checked_at_once(api: Api, parent: Job) -> None:
    error = refused(lambda: api.create(TrainSpec(continue_from=parent.model, batch_size=-1)))
    assert list(violations(error)) == ["job.spec.train.batch_size"]
    request = creating(VisualizeSpec(model=parent.model))
    request.validate_only = True
    job = api.jobs.CreateJob(request)
    assert (job.state, job.HasField("effective_spec"), job.HasField("estimate")) == (
        JobState.JOB_STATE_WAITING,
        False,
        False,
    )


def test_a_model_that_failed_before_it_was_described_cannot_be_used(
    connection: redis.Redis, api: Api, parent: Job
) -> None:
    JobStore(connection).request_cancel(parent.name)
    for validate_only in (False, True):
        request = creating(VisualizeSpec(model=parent.model))
        request.validate_only = validate_only
        error: Any = refused(lambda request=request: api.jobs.CreateJob(request))  # type: ignore[misc]
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
