"""Images are numbered, counted and written once; what was computed for one job is cached for the next."""

from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from convscope.store import (
    Attempt,
    BlobStore,
    Collector,
    JobStore,
    ModelStore,
    Sweeper,
    hydrate,
    mark_holder_lost,
    read_log,
)
from convscope.store.errors import StaleAttemptError
from convscope.store.jobs.images import ready_images
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, Value
from convscope.v1.jobs_pb2 import Failure, Job
from convscope.v1.visualize_pb2 import Image, ImageReady
from support.part_jobs import claim, create, image, kinds, ready_model


def images(connection: redis.Redis, job: Job, blobs: BlobStore) -> list[ImageReady]:
    """Return the job's images as watchers see them."""
    entries = read_log(connection, job.name.removeprefix("jobs/"), 0, 1000).entries
    events = [hydrate(entry, blobs) for entry in entries]
    return [event.image_ready for event in events if event.HasField("image_ready")]


def store(blobs: BlobStore, number: int) -> str:
    return blobs.put(Image(cache_key=f"name{number}").SerializeToString())


@pytest.fixture
def model(connection: redis.Redis) -> str:
    return ready_model(connection)


def computed(connection: redis.Redis, blobs: BlobStore, model: str, numbers: range) -> Attempt:
    """Create a job of one part that has computed images; return its attempt."""
    attempt = claim(connection, create(connection, 1, model=model))
    attempt.report_images([image(number, store(blobs, number)) for number in numbers], len(numbers))
    return attempt


def test_images_of_all_parts_are_counted_together(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    job = create(connection, 2, model=model)
    first, second = claim(connection, job, 0, "a"), claim(connection, job, 1, "b")
    for attempt, numbers in ((second, [7, 5]), (first, [0]), (second, [6]), (first, [2, 1])):
        attempt.report_images([image(number, store(blobs, number)) for number in numbers], len(numbers))
    events = images(connection, job, blobs)
    assert [(event.image.feature.index, event.completed_count) for event in events] == [
        (7, 1),
        (5, 2),
        (0, 3),
        (6, 4),
        (2, 5),
        (1, 6),
    ]
    assert {event.total_count for event in events} == {100}
    ready = dict(ready_images(connection, first.job_id, range(10)))
    assert sorted(ready) == [0, 1, 2, 5, 6, 7]
    assert blobs.get(ready[5]) == Image(cache_key="name5").SerializeToString()


def test_an_image_is_reported_once_by_the_attempt_that_computes_it(
    connection: redis.Redis, blobs: BlobStore, model: str
) -> None:
    job = create(connection, 1, model=model)
    attempt = claim(connection, job)
    attempt.report_images([image(0, store(blobs, 0))], 1)
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    again = claim(connection, job)
    again.report_images([image(number, store(blobs, number)) for number in (0, 1)], 2)
    assert [event.completed_count for event in images(connection, job, blobs)] == [1, 2]
    with pytest.raises(StaleAttemptError):
        attempt.report_images([image(2, "x")], 1)
    with pytest.raises(StaleAttemptError):
        attempt.reuse_cached([image(2)])


def test_what_another_job_computed_is_taken_over(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    computed(connection, blobs, model, range(3)).succeed("")
    job = create(connection, 1, model=model)
    attempt = claim(connection, job)
    assert attempt.reuse_cached([image(number, cached=True) for number in (1, 9, 2)]) == {1, 2}
    assert attempt.reuse_cached([image(number, cached=True) for number in (1, 9, 2)]) == {1, 2}  # its reply was lost
    events = images(connection, job, blobs)
    assert [
        (event.image.feature.index, event.image.cache_key, event.completed_count, event.cached) for event in events
    ] == [
        (1, "name1", 1, True),
        (2, "name2", 2, True),
    ]
    assert attempt.figures()[1] == 2


def test_reuse_that_is_sent_again_after_the_jobs_end_adds_nothing(
    connection: redis.Redis, blobs: BlobStore, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = computed(connection, blobs, model, range(1))
    job = create(connection, 2, model=model)
    attempt, second = claim(connection, job, 0, "a"), claim(connection, job, 1, "b")
    run = Scripts.run

    def twice(scripts: Scripts, name: str, *arguments: Value) -> object:
        run(scripts, name, *arguments)  # the reply is lost
        if name == "reuse_cached":
            other.report_images([image(1, store(blobs, 1))], 2)
            second.fail(Failure(message="it broke"))
        return run(scripts, name, *arguments)

    monkeypatch.setattr(Scripts, "run", twice)
    assert attempt.reuse_cached([image(0), image(1)]) == {0}
    monkeypatch.undo()
    assert kinds(connection, job)[-1] == "finished"
    assert dict(ready_images(connection, attempt.job_id, range(2))).keys() == {0}


def test_an_image_without_a_cache_key_is_not_cached(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    attempt = claim(connection, create(connection, 1, model=model))
    attempt.report_images([replace(image(0, store(blobs, 0)), cache_key=""), image(1, store(blobs, 1))], 2)
    assert dict(ready_images(connection, attempt.job_id, range(2))).keys() == {0, 1}
    assert connection.hkeys(key("cached", model.removeprefix("models/"))) == [b"name1"]


def test_nothing_is_cached_of_another_model(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    computed(connection, blobs, model, range(3))
    other = claim(connection, create(connection, 1, model=ready_model(connection)))
    assert other.reuse_cached([image(0)]) == set()


def test_an_image_is_cached_as_long_as_a_job_has_it(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    first = computed(connection, blobs, model, range(2))
    first.succeed("")
    second = claim(connection, create(connection, 1, model=model))
    assert second.reuse_cached([image(0)]) == {0}
    second.succeed("")
    JobStore(connection).delete(f"jobs/{first.job_id}")
    assert Collector(connection, blobs).tick(patience_ms=0) == 1  # the second job has the other one
    third = claim(connection, create(connection, 1, model=model))
    assert third.reuse_cached([image(0), image(1)]) == {0}
    known = connection.hkeys(key("cached", model.removeprefix("models/")))
    assert known == [b"name0"]


def test_an_image_that_a_job_has_already_stays_the_cached_one(
    connection: redis.Redis, blobs: BlobStore, model: str
) -> None:
    first = computed(connection, blobs, model, range(1))
    first.report_images([image(0, "other bits")], 1)  # by another processor, say
    first.succeed("")
    again = claim(connection, create(connection, 1, model=model))
    assert again.reuse_cached([image(0)]) == {0}


def test_cached_images_go_with_their_model(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    attempt = computed(connection, blobs, model, range(2))
    known = key("cached", model.removeprefix("models/"))
    assert connection.hlen(known) == 2
    ModelStore(connection).delete(model)
    attempt.report_images([image(2, store(blobs, 2))], 3)  # it continues
    assert connection.exists(known) == 0
    assert len(images(connection, JobStore(connection).get(f"jobs/{attempt.job_id}"), blobs)) == 3


def test_the_file_of_a_model_is_kept_for_the_jobs_that_run_on_it(
    connection: redis.Redis, blobs: BlobStore, model: str
) -> None:
    job = create(connection, 2, model=model)
    claim(connection, job, 0, "other")
    ModelStore(connection).delete(model)
    Collector(connection, blobs).tick(patience_ms=0)
    assert connection.hgetall(KEYS["references"]) == {b"file": b"1"}
    second = claim(connection, job, 1)
    assert second.model_file == "file"
    JobStore(connection).request_cancel(job.name)
    second.cancelled()
    mark_holder_lost(connection, "other", "cpu", "SIGKILL")
    assert connection.hgetall(KEYS["references"]) == {}


def test_the_sweeper_forgets_what_no_job_has(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    first = computed(connection, blobs, model, range(2))
    computed(connection, blobs, model, range(1, 4))
    first.succeed("")
    JobStore(connection).delete(f"jobs/{first.job_id}")
    assert Collector(connection, blobs).tick(patience_ms=0) == 1
    Sweeper(connection, blobs).sweep(timedelta(0))
    known = connection.hkeys(key("cached", model.removeprefix("models/")))
    assert set(known) == {b"name1", b"name2", b"name3"}


def test_a_deleted_job_leaves_nothing(connection: redis.Redis, blobs: BlobStore, model: str) -> None:
    attempt = computed(connection, blobs, model, range(2))
    attempt.succeed("")
    job = JobStore(connection).get(f"jobs/{attempt.job_id}")
    assert kinds(connection, job).count("image_ready") == 2
    JobStore(connection).delete(job.name)
    assert connection.keys(f"convscope:*{attempt.job_id}*") == []
    assert connection.zcard(KEYS["leases"]) == 0
