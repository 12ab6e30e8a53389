"""A visualization over several workers: the same images as from one, each once, whatever dies."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from rq import Worker

from convscope.v1.jobs_pb2 import AttemptStarted, CancelJobRequest, Failure, Job, JobEvent, JobState
from convscope.v1.models_pb2 import DeleteModelRequest, GetModelRequest
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, Image, LayerSelection, VisualizeSpec
from convscope.v1.workers_pb2 import ListWorkersRequest
from support.api import PATIENCE_S, Api, connect
from support.executors import executor_of
from support.many_parts import by_feature, create_parts, images
from support.stack import Stack, running_stack
from system.conftest import ENVIRONMENT

# Seconds of a part, by estimate; what a layer's compiling is taken for is more than all the rest.
SHORT = 0.1

LAYERS = [LayerSelection(name="conv1"), LayerSelection(name="conv2", list=FeatureList(indices=range(0, 36, 2)))]
TOTAL = 16 + 18


@pytest.fixture(scope="module")
def stack(pair: Stack) -> Stack:
    """A convscope with two workers of one thread each, which is to be harmed."""
    return pair


@pytest.fixture(scope="module")
def api(pair_api: Api) -> Api:
    return pair_api


@pytest.fixture(scope="module")
def model(api: Api) -> str:
    return train(api)


def train(api: Api) -> str:
    return api.finish(api.create(TrainSpec(iterations=50))).model


@pytest.fixture(scope="module")
def whole(api: Api, model: str) -> Job:
    """A job of one part, which one worker computes."""
    job = api.finish(api.create(VisualizeSpec(model=model, selections=LAYERS, iterations=40, recompute=True)))
    assert (job.state, job.estimate.part_count) == (JobState.JOB_STATE_SUCCEEDED, 1)
    return job


@pytest.fixture(scope="module")
def warm(stack: Stack, api: Api, whole: Job) -> None:
    """Both workers have an executor that has compiled what is asked for."""
    spec = VisualizeSpec()
    spec.CopyFrom(whole.effective_spec.visualize)
    spec.iterations = 1_000
    started = attempts(list(api.watch(create_parts(stack, api, spec, SHORT))))
    assert len({attempt.worker for attempt in started}) == 2


@pytest.fixture(scope="module")
def expected(api: Api, whole: Job) -> dict[tuple[str, int], Image]:
    return by_feature(images(api.watch(whole)))


def attempts(events: list[JobEvent]) -> list[AttemptStarted]:
    return [event.attempt_started for event in events if event.HasField("attempt_started")]


def check(api: Api, job: Job, expected: dict[tuple[str, int], Image]) -> list[JobEvent]:
    """Check that the job ended well, and has just the images that one worker computes, once each; return its events."""
    ended = api.finish(job)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED, ended.failure.message
    assert ended.ended_part_count == ended.estimate.part_count == job.estimate.part_count
    assert ended.result.visualize.image_count == TOTAL
    events = list(api.watch(job))
    ready = images(events)
    assert len(ready) == TOTAL
    assert {event.total_count for event in ready} == {TOTAL}
    assert by_feature(ready) == expected
    return events


@pytest.mark.usefixtures("warm")
def test_two_workers_give_what_one_gives(
    stack: Stack, api: Api, whole: Job, expected: dict[tuple[str, int], Image]
) -> None:
    job = create_parts(stack, api, whole.effective_spec.visualize, SHORT)
    assert job.estimate.part_count >= 4
    started = attempts(check(api, job, expected))
    assert sorted(attempt.part for attempt in started) == list(range(job.estimate.part_count))
    assert len({attempt.worker for attempt in started}) == 2


@pytest.mark.slow
def test_four_workers_of_another_system_give_what_one_gives(whole: Job, expected: dict[tuple[str, int], Image]) -> None:
    with running_stack(workers=4, environment=ENVIRONMENT) as stack, connect(stack.address) as api:
        spec = VisualizeSpec()
        spec.CopyFrom(whole.effective_spec.visualize)
        spec.model = train(api)  # the same bytes
        job = create_parts(stack, api, spec, SHORT)
        started = attempts(check(api, job, expected))
        assert len({attempt.worker for attempt in started}) == 4


def test_a_worker_that_is_killed_is_made_up_for(
    stack: Stack, api: Api, whole: Job, expected: dict[tuple[str, int], Image]
) -> None:
    job = create_parts(stack, api, whole.effective_spec.visualize, SHORT)
    for event in api.watch(job):
        if event.attempt_started.part == 2:  # which a warm executor holds: RQ knows it by another part
            executor_of(stack, event.attempt_started.worker).kill()
            break
    events = check(api, job, expected)
    assert any(event.HasField("attempt_lost") for event in events)


def test_a_worker_that_is_stopped_gives_its_part_back(
    stack: Stack, api: Api, whole: Job, expected: dict[tuple[str, int], Image]
) -> None:
    job = create_parts(stack, api, whole.effective_spec.visualize, SHORT)
    for event in api.watch(job):
        if event.attempt_started.part == 2:
            parent = executor_of(stack, event.attempt_started.worker).parent()
            assert parent is not None
            parent.terminate()
            break
    events = check(api, job, expected)
    assert not any(event.HasField("attempt_lost") for event in events)


def test_an_executor_that_is_to_take_up_no_more_ends_after_its_part(stack: Stack, api: Api, whole: Job) -> None:
    spec = VisualizeSpec()
    spec.CopyFrom(whole.effective_spec.visualize)
    spec.iterations = 200
    job = create_parts(stack, api, spec, SHORT)
    for event in api.watch(job):
        if event.HasField("attempt_started"):
            executor = executor_of(stack, event.attempt_started.worker)
            break
    executor.send_signal(signal.SIGUSR1)  # as ``convscope worker --finish`` does when it is stopped
    executor.wait(60)
    assert api.get(job).state == JobState.JOB_STATE_RUNNING
    api.jobs.CancelJob(CancelJobRequest(name=job.name))
    api.finish(job)
    assert not any(event.HasField("attempt_lost") for event in api.watch(job))


def test_the_last_part_may_be_lost_too(
    stack: Stack, api: Api, whole: Job, expected: dict[tuple[str, int], Image]
) -> None:
    job = create_parts(stack, api, whole.effective_spec.visualize, SHORT)
    for event in api.watch(job):
        if event.attempt_started.part == job.estimate.part_count - 1:
            executor_of(stack, event.attempt_started.worker).kill()
            break
    check(api, job, expected)


def wait_for_workers(stack: Stack, count: int) -> None:
    """Wait until those that were killed are started again."""
    deadline = time.monotonic() + PATIENCE_S
    with redis.Redis.from_url(stack.redis_url) as connection:
        while sum(psutil.pid_exists(worker.pid) for worker in Worker.all(connection=connection)) < count:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # they do not tell


@contextlib.contextmanager
def standing_still(executors: list[psutil.Process]) -> Iterator[None]:
    for executor in executors:
        executor.suspend()
    try:
        yield
    finally:
        for executor in executors:
            executor.resume()


def test_a_small_job_does_not_wait_for_a_large_one(stack: Stack, api: Api, whole: Job) -> None:
    spec = VisualizeSpec()
    spec.CopyFrom(whole.effective_spec.visualize)
    spec.restarts = 50
    wait_for_workers(stack, 2)
    large = create_parts(stack, api, spec, SHORT)
    assert large.estimate.part_count > 20
    started: dict[str, int] = {}
    for event in api.watch(large):
        if event.HasField("attempt_started"):
            started[event.attempt_started.worker] = event.attempt_started.part
        if len(started) == 2:
            break
    with standing_still([executor_of(stack, name) for name in started]):
        small = api.create(TrainSpec(iterations=0))
    small = api.finish(small)
    api.jobs.CancelJob(CancelJobRequest(name=large.name))
    api.finish(large)
    overtaken = [
        event
        for event in api.watch(large)
        if event.HasField("attempt_started")
        and small.create_time.ToNanoseconds() < event.time.ToNanoseconds() < small.start_time.ToNanoseconds()
    ]
    assert len(overtaken) <= 2  # the one that was on the queue already, and one that was being claimed


def test_a_job_of_many_parts_is_cancelled(stack: Stack, api: Api, whole: Job) -> None:
    spec = VisualizeSpec()
    spec.CopyFrom(whole.effective_spec.visualize)
    spec.iterations = 5_000
    job = create_parts(stack, api, spec, SHORT)
    next(event for event in api.watch(job) if event.attempt_started.part == 1)
    api.jobs.CancelJob(CancelJobRequest(name=job.name))
    ended = api.finish(job)
    assert ended.state == JobState.JOB_STATE_CANCELLED
    assert ended.ended_part_count < ended.estimate.part_count
    assert [event.WhichOneof("event") for event in api.watch(job)][-1] == "finished"


def test_a_job_continues_when_its_model_is_deleted(stack: Stack, api: Api) -> None:
    doomed = api.finish(api.create(TrainSpec(iterations=0, seed=5))).model
    spec = VisualizeSpec(model=doomed, selections=LAYERS, iterations=100)
    job = create_parts(stack, api, api.create(spec).effective_spec.visualize, SHORT)
    next(event for event in api.watch(job) if event.attempt_started.part == 1)
    api.models.DeleteModel(DeleteModelRequest(name=doomed))
    ended = api.finish(job)
    assert (ended.state, ended.result.visualize.image_count) == (JobState.JOB_STATE_SUCCEEDED, TOTAL), (
        ended.failure.message
    )


def test_cached_images_need_no_model(
    stack: Stack, api: Api, whole: Job, expected: dict[tuple[str, int], Image]
) -> None:
    model = api.models.GetModel(GetModelRequest(name=whole.effective_spec.visualize.model))
    (file,) = stack.home.glob(f"artifacts/blobs/*/{model.digest.sha256}")
    hidden = file.rename(Path(stack.home) / "hidden")
    for worker in api.workers.ListWorkers(ListWorkersRequest(), timeout=PATIENCE_S).workers:
        for executor in psutil.Process(worker.process_id).children():
            executor.kill()  # it may have the model loaded
    try:
        spec = VisualizeSpec(model=model.name, selections=LAYERS, iterations=40)
        again = api.finish(api.create(spec))
        assert (again.result.visualize.image_count, again.result.visualize.cached_image_count) == (TOTAL, TOTAL)
        ready = images(api.watch(again))
        assert all(event.cached for event in ready)
        assert by_feature(ready) == expected
        spec.recompute = True
        failed = api.finish(api.create(spec))
        assert failed.failure.reason == Failure.REASON_MODEL
    finally:
        hidden.rename(file)


def test_overlapping_requests_compute_what_is_missing(
    api: Api, whole: Job, expected: dict[tuple[str, int], Image]
) -> None:
    selection = LayerSelection(name="conv2", list=FeatureList(indices=[4, 5]))
    spec = VisualizeSpec(model=whole.effective_spec.visualize.model, selections=[selection], iterations=40)
    ready = images(api.watch(api.create(spec)))
    assert {event.image.feature.index: event.cached for event in ready} == {4: True, 5: False}
    assert by_feature(ready)["conv2", 4] == expected["conv2", 4]
