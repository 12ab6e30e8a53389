"""What is predicted to be claimed before a job is what then is claimed before it."""

from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.store import JobStore
from convscope.store.jobs.turns import Ahead, ahead_of
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import Job, Priority
from support.part_jobs import claim, create, take

HIGH, LOW = Priority.PRIORITY_HIGH, Priority.PRIORITY_LOW


def claimed_before(connection: redis.Redis, job: Job, device: str = "cpu") -> int:
    """Return how many parts executors without a memory claim before the job's first."""
    for count in range(1_000):
        attempt = take(connection, f"w{count}", device)
        assert attempt is not None
        if f"jobs/{attempt.job_id}" == job.name:
            return count
    raise AssertionError(job.name)


def parts_ahead(connection: redis.Redis, job: Job) -> int:
    return ahead_of(connection, JobStore(connection).get(job.name)).parts


def test_a_new_job_does_not_wait_for_all_of_a_large_one(connection: redis.Redis) -> None:
    large = create(connection, 1_000)
    for part in range(3):
        claim(connection, large, part, f"large{part}")
    job = create(connection, 2)
    assert ahead_of(connection, JobStore(connection).get(job.name)) in {Ahead(0, 0.0), Ahead(1, 1.0)}
    assert parts_ahead(connection, job) == claimed_before(connection, job)


def test_earlier_jobs_get_their_turns(connection: redis.Redis) -> None:
    for _ in range(4):
        create(connection, 5, cost_s=2.0)
    job = create(connection, 1)
    assert ahead_of(connection, JobStore(connection).get(job.name)) == Ahead(4, 8.0)
    assert claimed_before(connection, job) == 4


def test_all_that_is_more_urgent_comes_first(connection: redis.Redis) -> None:
    create(connection, 9, priority=HIGH)
    create(connection, 9, priority=LOW)
    create(connection, 9, priority=HIGH, device=Device.DEVICE_GPU)
    job = create(connection, 1, device=Device.DEVICE_CPU)
    assert parts_ahead(connection, job) == claimed_before(connection, job) == 9


@given(
    others=st.lists(
        st.tuples(
            st.sampled_from(["ann", "bob", "local"]),
            st.sampled_from([HIGH, Priority.PRIORITY_NORMAL, LOW]),
            st.integers(1, 6),
            st.sampled_from([0.5, 1.0, 3.0]),
        ),
        max_size=8,
    ),
    begun=st.integers(0, 10),
    cost=st.sampled_from([0.5, 2.0]),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_predictions_come_true(connection: redis.Redis, others: Any, begun: int, cost: float) -> None:
    connection.flushall()
    for owner, priority, parts, cost_s in others:
        create(connection, parts, owner=owner, priority=priority, cost_s=cost_s)
    for number in range(begun):
        take(connection, f"begun{number}")
    job = create(connection, 3, cost_s=cost)
    predicted = parts_ahead(connection, job)
    # Shares are in seconds: where parts last longer than what an owner lags behind, one more or less comes first.
    owners = {owner for owner, *_ in others}
    assert predicted == pytest.approx(claimed_before(connection, job), abs=2 * len(owners) + 1)
