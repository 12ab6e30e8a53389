"""A Redis or an artifact store that hangs takes nothing down that does not need it."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import grpc
import pytest

from benchmarks.silent_store import (
    CALLERS,
    DIGEST,
    Hanging,
    code_of,
    hanging_service,
    seconds_of_calls,
    seconds_to_exit,
    seconds_to_not_serving,
    took,
)
from convscope.service.server import GRACE_S
from convscope.store import Attempt, Claimant, JobStore, ModelStore
from convscope.store.redis.keys import KEYS, key
from convscope.v1.images_pb2 import ListImagesRequest
from convscope.v1.images_pb2_grpc import ImagesStub
from convscope.v1.jobs_pb2 import CreateJobRequest, DeleteJobRequest, Job, JobEvent, JobSpec, WatchJobRequest
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import ImageReady, LayerSelection, VisualizeSpec
from support.service_alone import NOT_SERVING, SERVING


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with tempfile.TemporaryDirectory(prefix="cs-") as folder, hanging_service(Path(folder)) as hanging_redis:
        yield hanging_redis


TRAINING = JobSpec(train=TrainSpec(dataset="datasets/mnist"))


def create(hanging: Hanging, spec: JobSpec) -> Job:
    job = hanging.jobs.CreateJob(CreateJobRequest(job=Job(spec=spec)), timeout=10)
    assert isinstance(job, Job)
    return job


def trained(hanging: Hanging) -> str:
    """Return a model that is ready, whose file is in the artifact store."""
    model = create(hanging, TRAINING).model
    attempt = Attempt.claim(hanging.redis, Claimant(worker="trains"))
    assert attempt is not None
    ready = ModelStore(hanging.redis).get(model)
    ready.digest.sha256 = DIGEST
    attempt.succeed("", ready)
    return model


@pytest.mark.slow
def test_calls_that_need_only_redis_do_not_wait_for_the_store(hanging: Hanging) -> None:
    model = trained(hanging)
    assert seconds_of_calls(hanging) < 1
    with hanging.waiting_for_blobs() as codes:
        assert took(lambda: hanging.jobs.DeleteJob(DeleteJobRequest(name=hanging.ended()), timeout=10)) < 1
        for spec in (TRAINING, JobSpec(visualize=VisualizeSpec(model=model))):
            assert took(lambda: create(hanging, spec)) < 1  # noqa: B023 - called at once
        assert not codes
    assert codes == [grpc.StatusCode.UNAVAILABLE] * CALLERS


def test_a_watch_whose_images_cannot_be_read_ends(hanging: Hanging) -> None:
    job, _ = JobStore(hanging.redis).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(hanging.redis, Claimant(worker="w"))
    assert attempt is not None
    attempt.report(JobEvent(image_ready=ImageReady(completed_count=1, total_count=2)), DIGEST)
    watch = hanging.jobs.WatchJob(WatchJobRequest(name=job.name), timeout=20)
    assert code_of(lambda: list(watch)) is grpc.StatusCode.UNAVAILABLE


def test_images_that_cannot_be_read_are_unavailable(hanging: Hanging) -> None:
    spec = VisualizeSpec(model="models/m", restarts=1)
    layer = LayerSelection(name="conv1")
    layer.list.indices.append(0)
    spec.selections.append(layer)
    job, _ = JobStore(hanging.redis).create(JobSpec(visualize=spec), request_digest="d")
    hanging.redis.hset(key("images", job.name.removeprefix("jobs/")), "0", DIGEST)
    request = ListImagesRequest(parent=job.name)
    code = code_of(lambda: ImagesStub(hanging.channel).ListImages(request, timeout=20))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_health_tells_which_services_need_the_store(hanging: Hanging) -> None:
    assert hanging.health() == SERVING
    assert hanging.health("convscope.v1.Datasets") == SERVING
    for name in ("Images", "Jobs", "Models"):
        assert hanging.health(f"convscope.v1.{name}") == NOT_SERVING


def test_the_reconciler_continues_while_a_sweep_hangs(hanging: Hanging) -> None:
    name = hanging.running()  # the service has begun to look after the store when it began to serve
    for lease in cast("list[bytes]", hanging.redis.zrange(KEYS["leases"], 0, -1)):
        hanging.redis.zadd(KEYS["leases"], {lease: 1})
    watch = hanging.jobs.WatchJob(WatchJobRequest(name=name), timeout=20)
    assert any(event.WhichOneof("event") == "attempt_lost" for event in watch)
    watch.cancel()


def test_health_notices_a_frozen_redis(hanging: Hanging) -> None:
    assert seconds_to_not_serving(hanging) < 2


def test_health_notices_a_redis_that_died(hanging: Hanging) -> None:
    hanging.redis_process.kill()
    start = time.monotonic()
    while hanging.health() == SERVING:
        assert time.monotonic() - start < 2
        time.sleep(0.05)


def test_health_notices_a_redis_that_may_throw_jobs_away(hanging: Hanging) -> None:
    hanging.redis.config_set("maxmemory-policy", "allkeys-lru")
    await_health(hanging, NOT_SERVING)
    for _ in range(20):  # several probes later, too
        assert hanging.health() == NOT_SERVING
        time.sleep(0.05)
    hanging.redis.config_set("maxmemory-policy", "noeviction")
    await_health(hanging, SERVING)
    hanging.process.terminate()
    _, log = hanging.process.communicate(timeout=30)
    assert "maxmemory-policy" in log


def await_health(hanging: Hanging, wanted: object) -> None:
    start = time.monotonic()
    while hanging.health() != wanted:
        assert time.monotonic() - start < 10
        time.sleep(0.05)


def test_it_ends_in_time_while_both_hang(hanging: Hanging) -> None:
    assert seconds_to_exit(hanging) < GRACE_S + 1
