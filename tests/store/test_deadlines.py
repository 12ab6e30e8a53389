"""Jobs with a timeout: they fail when it has passed since their first attempt began, and nothing else decides it."""

from typing import Any

import pytest
import redis
from google.protobuf.duration_pb2 import Duration

from convscope.store import JobStore, Reconciler
from convscope.store.errors import StaleAttemptError
from convscope.store.jobs.deadlines import fail_outrun
from convscope.store.redis.keys import KEYS
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import Failure, Job, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from support import part_jobs

TIMEOUT_S = 60


def create(connection: redis.Redis, *, needs: str = "", parts: int = 1, seconds: float = TIMEOUT_S) -> Job:
    """Create a training with a timeout."""
    timeout = Duration()
    timeout.FromMilliseconds(round(seconds * 1000))
    spec = JobSpec(train=TrainSpec(continue_from=needs))
    job, _ = JobStore(connection).create(
        spec, request_digest="d", sent=Job(spec=spec, timeout=timeout), needs=needs, model=Model(), parts=parts
    )
    return job


def deadline(connection: redis.Redis, job: Job) -> float | None:
    """Return when a job fails, in seconds since 1970."""
    score = connection.zscore(KEYS["deadlines"], job.name.removeprefix("jobs/"))
    return None if score is None else score / 1000


def let_it_pass(connection: redis.Redis, job: Job) -> None:
    connection.zadd(KEYS["deadlines"], {job.name.removeprefix("jobs/"): 1}, xx=True)


def now(connection: redis.Redis) -> float:
    seconds, microseconds = connection.time()
    return float(seconds + microseconds / 1e6)


def test_a_job_that_runs_too_long_fails(connection: redis.Redis) -> None:
    job = create(connection)
    attempt = part_jobs.claim(connection, job)
    reconciler = Reconciler(connection, period_s=0)
    reconciler.tick()
    assert part_jobs.state(connection, job) == JobState.JOB_STATE_RUNNING
    let_it_pass(connection, job)
    reconciler.tick()
    ended = JobStore(connection).get(job.name)
    assert (ended.state, ended.failure.reason) == (JobState.JOB_STATE_FAILED, Failure.REASON_TIMEOUT)
    assert "60 s" in ended.failure.message
    assert part_jobs.kinds(connection, job) == ["queued", "attempt_started", "finished"]
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    assert part_jobs.take(connection) is None


def test_the_time_counts_from_the_first_attempt(connection: redis.Redis) -> None:
    job = create(connection)
    assert deadline(connection, job) is None  # however long it waits
    attempt = part_jobs.claim(connection, job)
    first = deadline(connection, job)
    assert first == pytest.approx(now(connection) + TIMEOUT_S, abs=2)
    attempt.release()
    assert deadline(connection, job) == first
    part_jobs.claim(connection, job)
    assert deadline(connection, job) == first


def test_a_job_whose_part_came_back_fails_as_well(connection: redis.Redis) -> None:
    job = create(connection)
    part_jobs.claim(connection, job).release()
    let_it_pass(connection, job)
    assert fail_outrun(connection) == [job.name]
    assert part_jobs.state(connection, job) == JobState.JOB_STATE_FAILED
    assert part_jobs.ready(connection) == 0


def test_what_ended_in_time_has_no_deadline(connection: redis.Redis) -> None:
    job = create(connection)
    part_jobs.claim(connection, job).succeed("", Model(digest=Digest(sha256="file")))
    assert connection.zcard(KEYS["deadlines"]) == 0
    connection.zadd(KEYS["deadlines"], {job.name.removeprefix("jobs/"): 2**50})  # not due, as the script finds
    assert fail_outrun(connection) == []
    assert part_jobs.state(connection, job) == JobState.JOB_STATE_SUCCEEDED


def test_a_deadline_of_a_job_that_is_gone_is_forgotten(connection: redis.Redis) -> None:
    connection.zadd(KEYS["deadlines"], {"gone": 1})
    assert fail_outrun(connection) == []
    assert connection.zcard(KEYS["deadlines"]) == 0


def test_jobs_that_wait_for_its_model_fail_too(connection: redis.Redis) -> None:
    job = create(connection)
    waiting = create(connection, needs=job.model)
    part_jobs.claim(connection, job)
    let_it_pass(connection, job)
    Reconciler(connection, period_s=0).tick()
    failed = JobStore(connection).get(waiting.name)
    assert (failed.state, failed.failure.reason) == (JobState.JOB_STATE_FAILED, Failure.REASON_MODEL)


def killed(connection: redis.Redis, workers: str) -> list[bool]:
    """Return which workers are told to kill their executors once those that time out have had the time to stop."""
    outrun: Any = connection.zrange(KEYS["outrun"], 0, -1)
    for job in outrun:
        connection.zadd(KEYS["outrun"], {job: 1})
    Reconciler(connection, period_s=0).tick()
    return [part_jobs.is_to_be_killed(connection, worker) for worker in workers]


def test_executors_that_do_not_stop_are_killed(connection: redis.Redis) -> None:
    job = create(connection, parts=3)
    for part, worker in enumerate("abc"):
        part_jobs.claim(connection, job, part, worker)
    let_it_pass(connection, job)
    fail_outrun(connection)
    assert not any(part_jobs.is_to_be_killed(connection, worker) for worker in "abc")  # they have time
    assert part_jobs.take(connection, "a") is None  # this one has stopped, and asks for more
    part_jobs.claim(connection, part_jobs.create(connection, 1), 0, "b")  # and this one has got it
    assert killed(connection, "abc") == [False, False, True]


def test_a_timeout_is_kept_with_the_job(connection: redis.Redis) -> None:
    job = create(connection, seconds=1.5)
    assert JobStore(connection).get(job.name).timeout.ToMilliseconds() == 1500
    without, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    assert not without.HasField("timeout")
