"""Jobs that are only validated, and what jobs are estimated to take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.store import JobStore, connect_promptly
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Job, JobKind, JobState, ListJobsRequest
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import Restarts, VisualizeSpec
from support.api import Api, connect, creating, refused, violations
from support.service_alone import service_alone

# Bytes of a visualization's image, but for its pixels.
BESIDES = 1000
IMAGE = 28 * 28 * 4


@pytest.fixture(scope="module")
def api(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home: Path = tmp_path_factory.mktemp("home")
    with service_alone(redis_server.url, home) as (address, _), connect(address) as connected:
        yield connected


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    """A model in training."""
    return api.create(TrainSpec(iterations=1)).model


def validate(api: Api, spec: Any, **fields: Any) -> Job:
    request = creating(spec, **fields)
    request.validate_only = True
    job = api.jobs.CreateJob(request)
    assert isinstance(job, Job)
    return job


def jobs(api: Api) -> list[str]:
    return [job.name for job in api.jobs.ListJobs(ListJobsRequest(page_size=1000)).jobs]


def test_a_job_that_is_only_validated_is_returned_and_not_created(api: Api) -> None:
    before = jobs(api)
    job = validate(api, TrainSpec(iterations=3), labels={"a": "1"}, display_name="x", request_id="v")
    assert (job.name, job.model, job.sequence, job.HasField("create_time")) == ("", "", 0, False)
    assert (job.state, job.kind) == (JobState.JOB_STATE_QUEUED, JobKind.JOB_KIND_TRAIN)
    assert (dict(job.labels), job.display_name, job.owner) == ({"a": "1"}, "x", "local")
    assert job.spec.train == TrainSpec(iterations=3)
    assert job.effective_spec.train.batch_size == 64
    assert jobs(api) == before
    job = api.create(TrainSpec(iterations=4), request_id="v")  # the id is still free
    again = validate(api, TrainSpec(iterations=5), request_id="v")
    assert (job.name != "", again.name) == (True, "")


def test_a_job_is_created_as_it_was_validated(api: Api, model: str) -> None:
    for spec in (TrainSpec(iterations=7), EvaluateSpec(model=model), VisualizeSpec(model=model, iterations=5)):
        validated, created = validate(api, spec), api.create(spec)
        assert validated.effective_spec == created.effective_spec
        assert (validated.estimate, validated.state) == (created.estimate, created.state)
        assert validated.estimate.part_count >= 1
        assert validated.estimate.compute_duration.ToMilliseconds() > 0


def test_it_waits_where_it_would(api: Api, model: str) -> None:
    assert validate(api, EvaluateSpec(model=model)).state == JobState.JOB_STATE_WAITING


def test_faults_are_those_of_a_job_that_is_created(api: Api, redis_server: EmbeddedRedis) -> None:
    error: Any = refused(lambda: validate(api, TrainSpec(batch_size=-1)))
    assert list(violations(error)) == ["job.spec.train.batch_size"]
    error = refused(lambda: validate(api, EvaluateSpec(model="models/none")))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    with connect_promptly(redis_server.url) as connection:
        failed = api.create(TrainSpec(iterations=2))
        JobStore(connection).request_cancel(failed.name)
    error = refused(lambda: validate(api, EvaluateSpec(model=failed.model)))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_estimates_grow_with_what_is_asked_for(api: Api, model: str) -> None:
    few, many = (validate(api, TrainSpec(iterations=iterations)).estimate for iterations in (100, 10_000))
    assert few.compute_duration.ToMilliseconds() * 10 < many.compute_duration.ToMilliseconds()
    batch, large = (validate(api, TrainSpec(batch_size=batch_size)).estimate for batch_size in (64, 640))
    assert batch.compute_duration.ToMilliseconds() * 2 < large.compute_duration.ToMilliseconds()
    small, whole = (validate(api, EvaluateSpec(model=model, max_errors=max_errors)).estimate for max_errors in (0, 100))
    assert whole.stored_bytes - small.stored_bytes >= 100 * IMAGE


def test_a_visualizations_images_are_counted(api: Api, model: str) -> None:
    features = 16 + 36 + 128 + 10
    usual = validate(api, VisualizeSpec(model=model)).estimate.stored_bytes
    assert features * 2 * IMAGE <= usual <= features * (2 * IMAGE + BESIDES)
    best, every = (
        validate(api, VisualizeSpec(model=model, restarts=5, keep=keep)).estimate.stored_bytes
        for keep in (Restarts.RESTARTS_BEST, Restarts.RESTARTS_ALL)
    )
    assert every == 5 * best
    framed = validate(api, VisualizeSpec(model=model, frames=3)).estimate.stored_bytes
    assert framed == usual + features * 3 * IMAGE
    traced = validate(api, VisualizeSpec(model=model, trace=True)).estimate.stored_bytes
    assert traced >= usual + features * 6 * 4 * 31
