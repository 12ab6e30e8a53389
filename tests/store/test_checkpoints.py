"""Checkpoints are kept for as long as an attempt may resume from them, and no longer, however the job ends."""

from collections.abc import Callable

import pytest
import redis

from convscope.store import Attempt, BlobStore, Checkpoint, Claimant, Collector, JobStore, mark_holder_lost, read_log
from convscope.store.jobs.records import text
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec


def started(connection: redis.Redis) -> tuple[Job, Attempt]:
    """Start a training with three checkpoints, of which two are kept."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    attempt = Attempt.claim(connection, Claimant(worker="w"))
    assert attempt is not None
    for step in (25, 50, 75):
        attempt.save_checkpoint(Checkpoint(step, f"state{step}"))
    return job, attempt


def references(connection: redis.Redis, job: Job) -> set[str]:
    pointed = connection.smembers(key("job_blobs", job.name.removeprefix("jobs/")))
    assert connection.hgetall(KEYS["references"]) == dict.fromkeys(pointed, b"1")
    return set(map(text, pointed))


def succeeds(connection: redis.Redis, job: Job, attempt: Attempt) -> None:
    attempt.succeed("")


def fails(connection: redis.Redis, job: Job, attempt: Attempt) -> None:
    attempt.fail(Failure(message="it broke"))


def stops(connection: redis.Redis, job: Job, attempt: Attempt) -> None:
    attempt.cancelled()


def dies_when_asked_to_stop(connection: redis.Redis, job: Job, attempt: Attempt) -> None:
    JobStore(connection).request_cancel(job.name)
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")


def is_cancelled_between_two_attempts(connection: redis.Redis, job: Job, attempt: Attempt) -> None:
    attempt.release()
    JobStore(connection).request_cancel(job.name)


@pytest.mark.parametrize(
    "end",
    [succeeds, fails, stops, dies_when_asked_to_stop, is_cancelled_between_two_attempts],
    ids=lambda end: end.__name__,
)
def test_checkpoints_go_when_the_job_ends(
    connection: redis.Redis, end: Callable[[redis.Redis, Job, Attempt], None]
) -> None:
    job, attempt = started(connection)
    assert references(connection, job) == {"state50", "state75"}
    end(connection, job, attempt)
    assert JobStore(connection).get(job.name).HasField("end_time")
    assert references(connection, job) == set()


def test_checkpoints_stay_for_the_next_attempt(connection: redis.Redis) -> None:
    job, _ = started(connection)
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert references(connection, job) == {"state50", "state75"}


def test_a_checkpoint_that_is_replaced_is_deleted_though_the_job_runs(
    connection: redis.Redis, blobs: BlobStore
) -> None:
    JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    attempt = Attempt.claim(connection, Claimant(worker="w"), blobs)
    assert attempt is not None
    digests = [attempt.put(f"state {step}".encode()) for step in (25, 50, 75)]
    for step, digest in zip((25, 50, 75), digests, strict=True):
        attempt.save_checkpoint(Checkpoint(step, digest))
    assert Collector(connection, blobs).tick(patience_ms=0) == 1
    assert [bool(blobs.written(digest)) for digest in digests] == [False, True, True]


def test_a_checkpoint_that_is_forgotten_is_not_tried_again(connection: redis.Redis) -> None:
    job, attempt = started(connection)
    latest, before = attempt.checkpoints
    attempt.forget_checkpoint(latest, "it is damaged")
    assert attempt.checkpoints == [before]
    assert references(connection, job) == {"state50"}
    event = JobEvent.FromString(read_log(connection, attempt.job_id, 2, 10).entries[0].event)
    assert (event.checkpoint_unreadable.step, event.checkpoint_unreadable.cause) == (75, "it is damaged")
    attempt.save_checkpoint(Checkpoint(75, "state75 again"))
    assert references(connection, job) == {"state50", "state75 again"}
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    after = Attempt.claim(connection, Claimant(worker="w"))
    assert after is not None
    assert after.checkpoints == [Checkpoint(75, "state75 again"), before]


def test_two_checkpoints_with_one_blob_are_forgotten_one_by_one(connection: redis.Redis) -> None:
    job, attempt = started(connection)
    attempt.save_checkpoint(Checkpoint(100, "state75"))
    attempt.forget_checkpoint(attempt.checkpoints[0], "it is damaged")
    assert references(connection, job) == {"state75"}
    attempt.forget_checkpoint(attempt.checkpoints[0], "it is damaged")
    assert attempt.checkpoints == []
    assert references(connection, job) == set()
