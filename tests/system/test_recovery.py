"""Whatever dies, a job ends once, with the result of an undisturbed run."""

import io
import zipfile

import h5py
import numpy as np
import psutil
import pytest

from convscope.client import Client
from convscope.v1.jobs_pb2 import CancelJobRequest, Failure, Job, JobEvent, JobState
from convscope.v1.models_pb2 import ExportModelRequest, ListTrainReportsRequest
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.api import Api
from support.executors import busy_executor
from support.stack import Stack
from support.subjects import subject, unnamed
from support.worker_alone import eventually

TRAINING = TrainSpec(iterations=300, report_interval=10, seed=3)


@pytest.fixture(scope="module")
def stack(pair: Stack) -> Stack:
    """A convscope with two workers, which is to be harmed."""
    return pair


@pytest.fixture(scope="module")
def api(pair_api: Api) -> Api:
    return pair_api


@pytest.fixture(scope="module")
def undisturbed(api: Api) -> Job:
    return api.finish(api.create(TRAINING))


def workers(stack: Stack) -> list[psutil.Process]:
    """Return the workers that live, without their executors."""
    children = psutil.Process(stack.process.pid).children()
    living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in living if "convscope.worker" in child.cmdline()]


def wait_for_step(api: Api, job: Job, step: int) -> None:
    for event in api.watch(job):
        if event.train_progress.step >= step:
            return
    raise AssertionError(f"{job.name} ended before step {step}")


def weights(api: Api, model: str) -> dict[str, np.ndarray]:
    """Return every weight and optimizer state of a model's file."""
    file = b"".join(piece.data for piece in api.models.ExportModel(ExportModelRequest(name=model)))
    arrays: dict[str, np.ndarray] = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with zipfile.ZipFile(io.BytesIO(file)) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as h5:
        h5.visititems(collect)
    return arrays


def log_of(api: Api, job: Job) -> list[JobEvent]:
    events = list(api.watch(job))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    return events


def check_equal(api: Api, job: Job, undisturbed: Job) -> None:
    """Check that a job ended as if nothing had happened: same weights, each report once and with the same figures."""
    ended = api.finish(job)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED, ended.failure.message
    ours, theirs = weights(api, job.model), weights(api, undisturbed.model)
    assert len(ours) == len(theirs) > 10
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)

    def figures(job: Job) -> list[tuple[int, float, float]]:
        reports = [event.train_progress for event in log_of(api, job) if event.HasField("train_progress")]
        curve = api.models.ListTrainReports(ListTrainReportsRequest(parent=job.model))
        assert list(curve.reports) == reports
        return [(report.step, report.loss, report.batch_accuracy) for report in reports]

    assert figures(job) == figures(undisturbed)


def attempts(api: Api, job: Job) -> list[tuple[int, int]]:
    attempts = [event.attempt_started for event in log_of(api, job) if event.HasField("attempt_started")]
    return [(attempt.attempt, attempt.step or attempt.image_count) for attempt in attempts]


def test_an_executor_that_is_killed_twice(stack: Stack, api: Api, undisturbed: Job) -> None:
    job = api.create(TRAINING)
    for step in (60, 200):
        wait_for_step(api, job, step)
        busy_executor(stack).kill()
    check_equal(api, job, undisturbed)
    (first, second, third) = attempts(api, job)
    assert first == (1, 0)
    assert second[0] == 2
    assert 50 <= second[1] < third[1] < 300
    lost = [event.attempt_lost.cause for event in log_of(api, job) if event.HasField("attempt_lost")]
    assert all("SIGKILL" in cause for cause in lost)
    assert len(lost) == 2


def test_a_worker_and_its_executor_are_killed(stack: Stack, api: Api, undisturbed: Job) -> None:
    job = api.create(TRAINING)
    wait_for_step(api, job, 100)
    executor = busy_executor(stack)
    parent = executor.parent()
    assert parent is not None
    parent.kill()  # the executor dies with it
    check_equal(api, job, undisturbed)
    eventually(lambda: len(workers(stack)) == 2)  # another one was started
    events = log_of(api, job)
    lost = next(event for event in events if event.HasField("attempt_lost"))
    again = [event for event in events if event.HasField("attempt_started")][1]
    last = [event for event in events if event.sequence < lost.sequence][-1]
    assert again.time.ToSeconds() - last.time.ToSeconds() <= 12


@pytest.mark.slow  # the chaos run stops executors, too
def test_an_executor_that_is_stopped_for_long_harms_nothing(stack: Stack, api: Api, undisturbed: Job) -> None:
    job = api.create(TRAINING)
    wait_for_step(api, job, 50)
    executor = busy_executor(stack)
    executor.suspend()
    try:
        for event in api.watch(job):
            if event.attempt_started.attempt == 2:
                break
    finally:
        executor.resume()
    check_equal(api, job, undisturbed)
    for later in [api.create(TRAINING), api.create(TRAINING)]:  # at once, so that the one that was stopped has one
        check_equal(api, later, undisturbed)
    assert len(attempts(api, job)) == 2


def test_images_that_are_stored_are_not_computed_again(stack: Stack, api: Api, undisturbed: Job) -> None:
    spec = VisualizeSpec(model=undisturbed.model, iterations=50, recompute=True)
    job = api.create(spec)
    assert job.estimate.part_count == 1
    for event in api.watch(job):
        if event.image_ready.completed_count >= 40:
            break
    busy_executor(stack).kill()
    assert api.finish(job).result.visualize.image_count == 190
    images = [event.image_ready for event in log_of(api, job) if event.HasField("image_ready")]
    assert [event.completed_count for event in images] == list(range(1, 191))
    whole = {
        subject(event.image_ready.image): unnamed(event.image_ready.image)
        for event in api.watch(api.create(spec))
        if event.HasField("image_ready")
    }
    assert {subject(event.image): unnamed(event.image) for event in images} == whole
    assert attempts(api, job)[1][1] >= 40


def test_a_damaged_checkpoint_falls_back_to_the_one_before(stack: Stack, api: Api, undisturbed: Job) -> None:
    job = api.create(TRAINING)
    wait_for_step(api, job, 110)
    executor = busy_executor(stack)
    executor.suspend()
    newest = max((stack.home / "artifacts" / "blobs").glob("*/*"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(b"damaged")
    executor.kill()
    check_equal(api, job, undisturbed)
    (unreadable,) = [
        event.checkpoint_unreadable for event in log_of(api, job) if event.HasField("checkpoint_unreadable")
    ]
    assert unreadable.step >= 100
    assert "damaged" in unreadable.cause


def test_a_crash_loop_ends(stack: Stack, api: Api) -> None:
    job = api.create(TrainSpec(iterations=1_000_000))
    for number in range(1, 6):
        for event in api.watch(job):
            if event.attempt_started.attempt == number:
                break
        busy_executor(stack).kill()
    failed = api.finish(job)
    assert failed.state == JobState.JOB_STATE_FAILED
    assert failed.failure.reason == Failure.REASON_WORKER_LOST
    assert "the worker died 5 times, last SIGKILL" in failed.failure.message


def test_a_job_that_does_not_stop_by_itself_is_killed(stack: Stack, api: Api) -> None:
    job = api.create(TrainSpec(iterations=1_000_000))
    wait_for_step(api, job, 1)
    executor = busy_executor(stack)
    executor.suspend()  # it cannot hear the request
    api.jobs.CancelJob(CancelJobRequest(name=job.name))
    assert api.finish(job).state == JobState.JOB_STATE_CANCELLED
    executor.wait(10)  # it is killed


def test_a_service_that_is_killed_is_started_again(stack: Stack, api: Api) -> None:
    job = api.create(TrainSpec(iterations=200))
    wait_for_step(api, job, 1)
    children = psutil.Process(stack.process.pid).children()
    (service,) = [child for child in children if "convscope.service" in child.cmdline()]
    with Client(stack.address) as client:
        running = client.job(job.name)
        service.kill()
        assert running.result().model == job.model  # it reconnects by itself
        assert client.evaluate(job.model).result().example_count == 10_000


def test_a_redis_that_is_killed_is_started_again(stack: Stack, api: Api, undisturbed: Job) -> None:
    job = api.create(TRAINING)
    wait_for_step(api, job, 60)
    children = psutil.Process(stack.process.pid).children()
    (server,) = [child for child in children if "redis-server" in child.name()]
    with Client(stack.address) as client:
        running = client.job(job.name)
        server.kill()
        assert running.result().step == 300  # read through every absence
    check_equal(api, job, undisturbed)
