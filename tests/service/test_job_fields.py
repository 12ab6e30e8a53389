"""What a request gives for a job besides its spec: kept as it was sent, or refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from google.protobuf.duration_pb2 import Duration

from convscope.store.embedded import EmbeddedRedis
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import JobKind, JobState, JobView, ListJobsRequest, Priority
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.api import Api, connect, creating, refused, violations
from support.service_alone import service_alone

LABELS = {"project": "", "team.a_b-1": "Größe: ∞"}


@pytest.fixture(scope="module")
def api(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home: Path = tmp_path_factory.mktemp("home")
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.flushall()
    with service_alone(redis_server.url, home) as (address, _), connect(address) as connected:
        yield connected


def test_a_job_is_kept_as_it_was_sent(api: Api) -> None:
    spec = TrainSpec(iterations=3)
    job = api.create(spec, display_name="first try", labels=LABELS, timeout=Duration(seconds=90))
    listed = api.jobs.ListJobs(ListJobsRequest(view=JobView.JOB_VIEW_FULL, page_size=1)).jobs
    for answer in (job, api.get(job), *listed):
        assert (answer.name, answer.display_name, dict(answer.labels)) == (job.name, "first try", LABELS)
        assert (answer.owner, answer.kind, answer.timeout.seconds) == ("local", JobKind.JOB_KIND_TRAIN, 90)
        assert answer.spec.train == spec
        assert (answer.effective_spec.train.iterations, answer.effective_spec.train.batch_size) == (3, 64)


def test_what_is_left_out_stays_empty(api: Api) -> None:
    job = api.create(TrainSpec())
    assert (job.display_name, dict(job.labels), job.HasField("timeout")) == ("", {}, False)
    assert (job.priority, job.device) == (Priority.PRIORITY_NORMAL, Device.DEVICE_ANY)
    chosen = api.create(TrainSpec(), priority=Priority.PRIORITY_HIGH, device=Device.DEVICE_GPU)
    assert (chosen.priority, chosen.device) == (Priority.PRIORITY_HIGH, Device.DEVICE_GPU)
    drawn = api.create(VisualizeSpec(model=job.model))
    assert (drawn.kind, drawn.state) == (JobKind.JOB_KIND_VISUALIZE, JobState.JOB_STATE_WAITING)
    assert drawn.spec.visualize == VisualizeSpec(model=job.model)
    assert drawn.effective_spec.visualize.iterations == 30


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"display_name": "x" * 201}, "job.display_name"),
        ({"labels": {"Upper": "x"}}, "job.labels[Upper]"),
        ({"labels": {"x" * 64: "x"}}, f"job.labels[{'x' * 64}]"),
        ({"labels": {"x": "y" * 256}}, "job.labels[x]"),
        ({"labels": {f"x{number}": "" for number in range(65)}}, "job.labels"),
        ({"timeout": Duration(nanos=999_999_999)}, "job.timeout"),
        ({"timeout": Duration(seconds=31_536_001)}, "job.timeout"),
        ({"priority": 9}, "job.priority"),
        ({"device": 9}, "job.device"),
        ({"name": "jobs/mine"}, "job.name"),
        ({"owner": "ann"}, "job.owner"),
        ({"state": JobState.JOB_STATE_RUNNING}, "job.state"),
        ({"effective_spec": {"train": {}}}, "job.effective_spec"),
        ({"failure": {"message": "x"}}, "job.failure"),
    ],
)
def test_what_cannot_be_right_is_refused(api: Api, fields: dict[str, Any], field: str) -> None:
    error: Any = refused(lambda: api.create(TrainSpec(), **fields))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert list(violations(error)) == [field]


def test_a_request_id_stands_for_the_whole_job(api: Api) -> None:
    first = api.create(TrainSpec(), request_id="whole", labels={"a": "1", "b": "2"})
    again = creating(TrainSpec(), "whole", labels={"b": "2", "a": "1"})
    assert api.jobs.CreateJob(again).name == first.name
    error: Any = refused(lambda: api.create(TrainSpec(), request_id="whole", labels={"a": "1"}))
    assert error.code() == grpc.StatusCode.ALREADY_EXISTS
