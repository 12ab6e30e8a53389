"""Jobs are in the order of Redis' clock, whatever that of the machine says which makes them."""

import time

import pytest
import redis

from convscope.store import JobStore
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.train_pb2 import TrainSpec


def test_a_machine_whose_clock_is_slow_makes_no_older_jobs(
    connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = JobStore(connection)
    first, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    monkeypatch.setattr(time, "time_ns", lambda: int((now - 3600) * 1e9))
    second, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d")
    assert first.create_time.ToMilliseconds() <= second.create_time.ToMilliseconds()
