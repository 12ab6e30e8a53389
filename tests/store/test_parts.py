"""Jobs of many parts: each part is claimed and fenced by itself, and the last one ends the job."""

from typing import cast

import pytest
import redis

from convscope.store import JobStore, Reconciler, ResultWanted, WorkerStore, mark_holder_lost
from convscope.store.errors import StaleAttemptError
from convscope.store.jobs.attempts import MAX_DEATHS
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import Failure, JobEvent, JobState
from convscope.v1.train_pb2 import TrainProgress
from support.part_jobs import claim, create, image, is_to_be_killed, kinds, ready, state, take

SUCCEEDED, FAILED = JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED
CANCELLED, QUEUED, RUNNING = JobState.JOB_STATE_CANCELLED, JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING
PROGRESS = JobEvent(train_progress=TrainProgress(step=1))


def test_each_part_is_started_by_an_event_of_its_own(connection: redis.Redis) -> None:
    job = create(connection, 5)
    for part in range(5):
        assert ready(connection) == 5 - part
        claim(connection, job, part, f"worker {part}")
    assert take(connection) is None
    assert kinds(connection, job) == ["queued", *["attempt_started"] * 5]


def test_the_last_part_ends_the_job_with_its_result(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempts = [claim(connection, job, part) for part in range(3)]
    assert not attempts[1].finish().ended
    assert not attempts[2].finish().ended
    assert JobStore(connection).get(job.name).ended_part_count == 2
    with pytest.raises(ResultWanted):
        attempts[0].finish()
    assert not attempts[0].renew()  # nothing has changed
    assert attempts[0].succeed("result").ended
    ended = JobStore(connection).get(job.name)
    assert (ended.state, ended.estimate.part_count, ended.ended_part_count) == (SUCCEEDED, 3, 3)
    assert kinds(connection, job)[-1] == "finished"
    job_id = job.name.removeprefix("jobs/")
    assert connection.exists(key("parts", job_id)) == 0
    assert 3500 < connection.ttl(key("written", job_id)) <= 3600  # a reply may have been lost


def test_parts_are_fenced_independently(connection: redis.Redis) -> None:
    job = create(connection, 2)
    first, other = claim(connection, job, 0), claim(connection, job, 1)
    first.release()
    again = claim(connection, job, 0)
    assert again.number == 2
    with pytest.raises(StaleAttemptError):
        first.report(PROGRESS)
    with pytest.raises(StaleAttemptError):
        first.finish()
    again.report(PROGRESS)
    other.report(PROGRESS)
    again.finish()
    with pytest.raises(StaleAttemptError):
        again.report(PROGRESS)
    assert take(connection) is None  # what is done is not done again
    other.succeed("")
    assert state(connection, job) == SUCCEEDED


def test_a_job_runs_until_no_attempt_computes_it(connection: redis.Redis) -> None:
    job = create(connection, 3)
    first, second = claim(connection, job, 0, "a"), claim(connection, job, 1, "b")
    first.release()
    assert state(connection, job) == RUNNING
    mark_holder_lost(connection, "b", "cpu", "SIGKILL")
    assert state(connection, job) == QUEUED
    with pytest.raises(StaleAttemptError):
        second.renew()
    assert kinds(connection, job) == ["queued", "attempt_started", "attempt_started", "attempt_lost", "queued"]


def test_a_failure_ends_the_job_for_all(connection: redis.Redis) -> None:
    job = create(connection, 4)
    first, second = claim(connection, job, 0), claim(connection, job, 1)
    first.fail(Failure(message="it broke"))
    assert state(connection, job) == FAILED
    for write in (second.renew, second.finish, lambda: second.report(PROGRESS), second.cancelled):
        with pytest.raises(StaleAttemptError):
            write()
    assert take(connection) is None
    assert kinds(connection, job)[-1] == "finished"


def test_a_cancelled_job_ends_when_the_last_part_has_stopped(connection: redis.Redis) -> None:
    job = create(connection, 9)
    first, second, third = (claim(connection, job, part, str(part)) for part in range(3))
    assert JobStore(connection).request_cancel(job.name).state == RUNNING
    assert first.renew()
    assert take(connection) is None
    assert not first.cancelled().ended
    assert not second.finish().ended  # it was faster
    mark_holder_lost(connection, "2", "cpu", "SIGKILL")
    assert state(connection, job) == CANCELLED
    with pytest.raises(StaleAttemptError):
        third.renew()
    assert kinds(connection, job)[-3:] == ["cancel_requested", "attempt_lost", "finished"]


def test_a_part_that_is_done_ends_a_cancelled_job_if_it_was_the_last_to_run(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempt = claim(connection, job)
    JobStore(connection).request_cancel(job.name)
    assert attempt.finish().ended
    assert state(connection, job) == CANCELLED


def test_a_job_between_two_parts_is_cancelled_at_once(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempt = claim(connection, job)
    attempt.finish()
    assert state(connection, job) == RUNNING
    assert JobStore(connection).request_cancel(job.name).state == CANCELLED
    assert take(connection) is None


def test_deaths_are_counted_by_part(connection: redis.Redis) -> None:
    job = create(connection, 2)
    for _ in range(MAX_DEATHS - 1):
        for part in (0, 1):
            claim(connection, job, part, f"w{part}")
        for part in (1, 0):
            mark_holder_lost(connection, f"w{part}", "cpu", "SIGKILL")
    assert state(connection, job) == QUEUED
    claim(connection, job, 0, "w0")
    claim(connection, job, 1, "w1").report_images([image(1, "blob")], 1)  # it gets further
    mark_holder_lost(connection, "w1", "cpu", "SIGKILL")
    assert state(connection, job) == RUNNING
    mark_holder_lost(connection, "w0", "cpu", "SIGSEGV")
    failed = JobStore(connection).get(job.name)
    assert failed.state == FAILED
    assert "died 5 times, last SIGSEGV" in failed.failure.message


def test_whatever_part_a_dead_executor_held_is_lost(connection: redis.Redis) -> None:
    job = create(connection, 5)
    claim(connection, job, 0, "w").finish()
    other = claim(connection, job, 1, "other")
    held = claim(connection, job, 2, "w")
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    with pytest.raises(StaleAttemptError):
        held.renew()
    assert not other.renew()
    claim(connection, job, 2, "next")


def test_executors_that_hang_when_their_job_fails_are_killed(connection: redis.Redis) -> None:
    job = create(connection, 4)
    attempts = [claim(connection, job, part, worker) for part, worker in enumerate("abcd")]
    attempts[0].fail(Failure(message="it broke"))
    assert not any(is_to_be_killed(connection, worker) for worker in "abcd")  # they have the time to stop
    assert take(connection, "b") is None  # this one has stopped, and asks for more
    claim(connection, create(connection, 1), 0, "c")  # and this one has got it
    for member in cast("list[bytes]", connection.zrange(KEYS["outrun"], 0, -1)):
        connection.zadd(KEYS["outrun"], {member: 1})
    Reconciler(connection, period_s=0).tick()
    assert [is_to_be_killed(connection, worker) for worker in "abcd"] == [False, False, False, True]


def test_a_request_to_kill_is_not_kept_for_workers_that_have_gone(connection: redis.Redis) -> None:
    job = create(connection, 2)
    first = claim(connection, job, 0, "a")
    claim(connection, job, 1, "b")
    first.fail(Failure(message="it broke"))
    WorkerStore(connection).forget("b", "cpu")
    for member in cast("list[bytes]", connection.zrange(KEYS["outrun"], 0, -1)):
        connection.zadd(KEYS["outrun"], {member: 1})
    Reconciler(connection, period_s=0).tick()
    assert connection.zcard(KEYS["outrun"]) == 0
    assert connection.hlen(KEYS["kill"]) == 0
