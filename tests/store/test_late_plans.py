"""Jobs that cannot be planned before the models that they need are made."""

from typing import Any

import pytest
import redis

from convscope.store import JobStore, LatePlans, ModelStore, Reconciler, settle_waiters
from convscope.store.redis.keys import KEYS
from convscope.store.redis.scripts import Scripts, Value
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import Failure, FieldViolation, Job, JobSpec, JobState
from convscope.v1.models_pb2 import Layer, Model, ModelState
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support import part_jobs

WAITING, QUEUED, FAILED = JobState.JOB_STATE_WAITING, JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_FAILED
LAYERS = [Layer(name="conv1", output_shape=[2, 2, 3])]
PLANNED = JobSpec(visualize=VisualizeSpec(iterations=30))


@pytest.fixture
def parent(connection: redis.Redis) -> Job:
    """A job that makes a model of which nothing is known before."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    return job


@pytest.fixture
def late(connection: redis.Redis) -> LatePlans:
    return LatePlans(connection)


def create(connection: redis.Redis, parent: Job, *, trains: bool = False) -> Job:
    """Create a job that is not planned."""
    spec = JobSpec(visualize=VisualizeSpec(model=parent.model))
    if trains:
        spec = JobSpec(train=TrainSpec(continue_from=parent.model))
    job, _ = JobStore(connection).create(
        None, sent=Job(spec=spec), request_digest="d", needs=parent.model, model=Model() if trains else None
    )
    return job


def make(connection: redis.Redis, parent: Job) -> None:
    """Make the model, as its executor does."""
    part_jobs.claim(connection, parent).succeed("", Model(digest=Digest(sha256="file"), layers=LAYERS))
    settle_waiters(connection, parent.model.removeprefix("models/"))


def test_it_waits_for_its_model_and_then_for_its_plan(connection: redis.Redis, parent: Job, late: LatePlans) -> None:
    job = create(connection, parent)
    assert (job.state, job.waiting.resource) == (WAITING, parent.model)
    assert not job.HasField("effective_spec")
    assert not job.HasField("estimate")
    assert not list(late.waiting())
    make(connection, parent)
    assert part_jobs.take(connection) is None
    (waiting,) = late.waiting()
    assert (waiting.job.name, waiting.job.state, waiting.job.spec) == (job.name, WAITING, job.spec)
    assert (waiting.needed.name, waiting.needed.state) == (parent.model, ModelState.MODEL_STATE_READY)
    assert list(waiting.needed.layers) == LAYERS

    assert late.plan(waiting.job, PLANNED, parts=3, part_seconds=5.0, part_cost_s=2.0, stored_bytes=7)
    planned = JobStore(connection).get(job.name)
    assert (planned.state, planned.effective_spec, planned.spec) == (QUEUED, PLANNED, job.spec)
    assert (planned.estimate.part_count, planned.estimate.stored_bytes) == (3, 7)
    assert planned.estimate.compute_duration.ToMilliseconds() == 6_000
    assert part_jobs.kinds(connection, job) == ["waiting", "queued"]
    assert part_jobs.ready(connection) == 3
    attempt = part_jobs.claim(connection, job)
    assert (attempt.spec, attempt.parts, attempt.part_seconds, attempt.model_file) == (PLANNED, 3, 5.0, "file")


def test_it_is_planned_once(connection: redis.Redis, parent: Job, late: LatePlans) -> None:
    job = create(connection, parent)
    assert not late.plan(job, PLANNED, part_seconds=1.0)  # not yet
    make(connection, parent)
    assert late.plan(job, PLANNED, part_seconds=1.0)
    assert not late.plan(job, JobSpec(), part_seconds=1.0)
    assert not late.fail(job, Failure())
    assert JobStore(connection).get(job.name).effective_spec == PLANNED
    assert part_jobs.ready(connection) == 1
    assert not list(late.waiting())


def test_what_does_not_fit_fails_with_its_faults(connection: redis.Redis, parent: Job, late: LatePlans) -> None:
    job = create(connection, parent)
    make(connection, parent)
    violation = FieldViolation(field="job.spec.visualize.selections[0].name", description="there is conv1")
    failure = Failure(reason=Failure.REASON_INVALID, message="it does not fit", violations=[violation])
    assert late.fail(job, failure)
    failed = JobStore(connection).get(job.name)
    assert (failed.state, failed.failure) == (FAILED, failure)
    assert part_jobs.kinds(connection, job) == ["waiting", "finished"]
    assert part_jobs.ready(connection) == 0
    assert not late.plan(job, PLANNED, part_seconds=1.0)


def test_a_model_that_was_made_just_now_is_planned_for_at_once(
    connection: redis.Redis, parent: Job, late: LatePlans
) -> None:
    make(connection, parent)
    job = create(connection, parent)
    assert job.state == WAITING
    assert [waiting.job.name for waiting in late.waiting()] == [job.name]
    assert late.plan(job, PLANNED, part_seconds=1.0)
    assert part_jobs.claim(connection, job).model_file == "file"


def test_a_model_that_is_not_made_fails_it(connection: redis.Redis, parent: Job, late: LatePlans) -> None:
    job = create(connection, parent)
    part_jobs.claim(connection, parent).fail(Failure(reason=Failure.REASON_COMPUTATION))
    Reconciler(connection, period_s=0).tick()
    failed = JobStore(connection).get(job.name)
    assert (failed.state, failed.failure.reason) == (FAILED, Failure.REASON_MODEL)
    assert not list(late.waiting())


@pytest.mark.parametrize("is_made", [False, True])
def test_it_can_be_cancelled_and_deleted(
    connection: redis.Redis, parent: Job, late: LatePlans, *, is_made: bool
) -> None:
    job = create(connection, parent)
    if is_made:
        make(connection, parent)
    assert JobStore(connection).request_cancel(job.name).state == JobState.JOB_STATE_CANCELLED
    assert connection.scard(KEYS["unplanned"]) == 0
    assert not late.plan(job, PLANNED, part_seconds=1.0)
    JobStore(connection).delete(job.name)


def test_a_model_that_is_deleted_meanwhile_is_kept_for_it(
    connection: redis.Redis, parent: Job, late: LatePlans
) -> None:
    job = create(connection, parent)
    make(connection, parent)
    ModelStore(connection).delete(parent.model)
    Reconciler(connection, period_s=0).tick()
    (waiting,) = late.waiting()
    assert late.plan(waiting.job, PLANNED, part_seconds=1.0)
    assert part_jobs.claim(connection, job).model_file == "file"


def test_the_model_that_it_makes_is_described_then(connection: redis.Redis, parent: Job, late: LatePlans) -> None:
    job = create(connection, parent, trains=True)
    further = create(connection, job)
    make(connection, parent)
    assert [waiting.job.name for waiting in late.waiting()] == [job.name]
    spec = JobSpec(train=TrainSpec(iterations=1))
    assert late.plan(job, spec, model=Model(dataset="datasets/mnist", layers=LAYERS), part_seconds=1.0)
    model = ModelStore(connection).get(job.model)
    assert (model.state, model.lineage.job) == (ModelState.MODEL_STATE_PENDING, job.name)
    assert list(model.layers) == LAYERS
    attempt: Any = part_jobs.claim(connection, job)
    attempt.succeed("", Model(digest=Digest(sha256="other"), layers=LAYERS))
    settle_waiters(connection, job.model.removeprefix("models/"))
    assert [waiting.job.name for waiting in late.waiting()] == [further.name]


def test_two_processes_that_settle_it_keep_its_model_once(
    connection: redis.Redis, parent: Job, late: LatePlans, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = create(connection, parent)
    model_id = parent.model.removeprefix("models/")
    part_jobs.claim(connection, parent).succeed("", Model(digest=Digest(sha256="file"), layers=LAYERS))
    run = Scripts.run

    def interrupted(scripts: Scripts, name: str, *arguments: Value) -> object:
        monkeypatch.undo()
        settle_waiters(connection, model_id)  # another process is faster
        return run(scripts, name, *arguments)

    monkeypatch.setattr(Scripts, "run", interrupted)
    settle_waiters(connection, model_id)
    assert late.plan(job, PLANNED, part_seconds=1.0)
    part_jobs.claim(connection, job).succeed("result")
    ModelStore(connection).delete(parent.model)
    part_jobs.take_apart(connection)
    assert set(connection.hkeys(KEYS["references"])) == {b"result"}
