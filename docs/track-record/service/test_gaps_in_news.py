"""A watch does not pass over events that the service's stream lost between two others."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import redis

from convscope.service.backend import Backend
from convscope.service.watch import watch_job
from convscope.store import Attempt, JobStore, LogEntry, StoreSettings, read_log
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.train_pb2 import TrainProgress, TrainSpec


async def test_events_that_are_lost_between_others_are_not_passed_over(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(connection, job.name.removeprefix("jobs/"), 0, worker="w", environment={})
    assert attempt is not None

    async def take(_timeout_s: float) -> list[LogEntry]:
        for step in range(3):
            attempt.report(JobEvent(train_progress=TrainProgress(step=step)))
        first, _, third = read_log(connection, attempt.job_id, 2, 3).entries
        return [first, third]

    backend = Backend(StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=tmp_path.as_uri()))
    hub: Any = SimpleNamespace(subscribe=lambda _: contextlib.nullcontext(SimpleNamespace(take=take)))
    watch = watch_job(backend, hub, attempt.job_id, 0)
    assert [(await anext(watch)).sequence for _ in range(4)] == [1, 2, 3, 4]
    backend.close()
