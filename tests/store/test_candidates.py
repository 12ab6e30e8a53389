"""Candidates for images are kept for as long as an attempt may choose among them, and no longer."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from convscope.store import Attempt, Candidate, JobStore, mark_holder_lost, read_candidates
from convscope.store.errors import StaleAttemptError
from convscope.store.jobs.attempts import MAX_DEATHS
from convscope.store.jobs.records import text
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import Failure, Job, JobState
from support.part_jobs import claim, create, image, ready_model, state, take_apart


def candidate(number: int, first: int, restarts: int = 4) -> Candidate:
    return Candidate(number=number, first=first, restarts=restarts, blob=f"blob{number}.{first}")


def references(connection: redis.Redis) -> dict[str, int]:
    """Return how often each blob is referred to, except by models."""
    counts = {text(digest): int(count) for digest, count in connection.hgetall(KEYS["references"]).items()}
    return {digest: count for digest, count in counts.items() if digest != "file"}


@pytest.fixture
def model(connection: redis.Redis) -> str:
    return ready_model(connection)


@pytest.fixture
def job(connection: redis.Redis, model: str) -> Job:
    return create(connection, 3, model=model)


def test_candidates_are_found_by_image_in_the_order_of_restarts(connection: redis.Redis, job: Job) -> None:
    attempts = [claim(connection, job, part) for part in range(3)]
    job_id = attempts[0].job_id
    assert read_candidates(connection, job_id, 7) == []
    for attempt, first in zip(attempts, (4, 12, 0), strict=True):
        attempt.report_candidate(candidate(7, first), 1)
    attempts[0].report_candidate(candidate(17, 4), 1)
    attempts[0].report_candidate(candidate(7, 4), 1)  # again
    assert read_candidates(connection, job_id, 7) == [candidate(7, first) for first in (0, 4, 12)]
    assert read_candidates(connection, job_id, 17) == [candidate(17, 4)]
    assert set(references(connection).values()) == {1}


def test_an_image_takes_the_place_of_its_candidates(connection: redis.Redis, job: Job) -> None:
    first, second = claim(connection, job, 0, "a"), claim(connection, job, 1, "b")
    for progress in (candidate(7, 0), candidate(7, 4), candidate(8, 0)):
        first.report_candidate(progress, 1)
    for attempt in (first, second):  # both have chosen
        attempt.report_images([image(7, "image")], 1)
    second.report_candidate(candidate(7, 8), 1)  # too late
    assert read_candidates(connection, first.job_id, 7) == []
    assert references(connection) == {"image": 1, "blob8.0": 1}
    assert connection.hlen(key("images", first.job_id)) == 1


def test_candidates_may_be_equal_to_others_and_to_the_image(connection: redis.Redis, job: Job) -> None:
    attempt = claim(connection, job)
    for number in (7, 8):
        attempt.report_candidate(replace(candidate(number, 0), blob="same"), 1)
    attempt.report_images([image(7, "same"), image(9, "same")], 1)
    assert [candidate_.blob for candidate_ in read_candidates(connection, attempt.job_id, 8)] == ["same"]
    assert references(connection) == {"same": 1}
    attempt.report_images([image(8, "another")], 1)
    assert references(connection) == {"same": 1, "another": 1}
    attempt.fail(Failure(message="x"))
    assert references(connection) == {"same": 1, "another": 1}
    JobStore(connection).delete(job.name)
    take_apart(connection)
    assert references(connection) == {}
    assert not connection.keys("*:further")


def test_a_cached_image_takes_their_place_too(connection: redis.Redis, job: Job, model: str) -> None:
    first = claim(connection, job, 0, "a")
    first.report_candidate(candidate(7, 0), 1)
    claim(connection, create(connection, 1, model=model)).report_images([image(7, "image")], 1)
    assert first.reuse_cached([image(7, cached=True)]) == {7}
    assert references(connection) == {"image": 2}
    assert first.figures()[1] == 1


def test_an_attempt_that_is_over_has_no_candidates(connection: redis.Redis, job: Job) -> None:
    attempt = claim(connection, job)
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    with pytest.raises(StaleAttemptError):
        attempt.report_candidate(candidate(7, 0), 1)
    assert read_candidates(connection, attempt.job_id, 7) == []


def test_a_candidate_is_progress(connection: redis.Redis, job: Job) -> None:
    for number in range(2 * MAX_DEATHS):
        attempt = claim(connection, job)
        if number == MAX_DEATHS - 1:
            attempt.report_candidate(candidate(7, 0), 1)
        mark_holder_lost(connection, "w", "cpu", "SIGKILL")
        if state(connection, job) == JobState.JOB_STATE_FAILED:
            break
    assert number == 2 * MAX_DEATHS - 2


def fail(connection: redis.Redis, attempt: Attempt) -> None:
    attempt.fail(Failure(message="it broke"))


def cancel(connection: redis.Redis, attempt: Attempt) -> None:
    JobStore(connection).request_cancel(f"jobs/{attempt.job_id}")
    attempt.cancelled()


def succeed(connection: redis.Redis, attempt: Attempt) -> None:
    for part in (1, 2):
        claim(connection, JobStore(connection).get(f"jobs/{attempt.job_id}"), part).finish()
    attempt.succeed("")


@pytest.mark.parametrize("end", [fail, cancel, succeed])
def test_nothing_is_left_when_the_job_ends(
    connection: redis.Redis, job: Job, end: Callable[[redis.Redis, Attempt], None]
) -> None:
    attempt = claim(connection, job)
    for progress in (candidate(7, 0), candidate(7, 4), candidate(8, 0)):
        attempt.report_candidate(progress, 1)
    end(connection, attempt)
    assert JobStore(connection).get(job.name).HasField("end_time")
    assert references(connection) == {}
    assert connection.exists(key("candidates", attempt.job_id)) == 0
