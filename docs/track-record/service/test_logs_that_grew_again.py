"""A watch notices that Redis lost events which it had seen, though the log has grown past them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import redis

from convscope.service.backend import Backend
from convscope.service.hub import NotifyHub
from convscope.service.tasks import end_tasks
from convscope.service.watch import watch_job
from convscope.store import Attempt, JobStore, StoreSettings, keys
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import LogLostError
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.train_pb2 import TrainProgress, TrainSpec


def progress(step: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=step))


def forget_the_last(connection: Any, job_id: str) -> None:
    """Have Redis lose the last event."""
    entries = connection.xrange(keys.events_key(job_id))
    connection.delete(keys.events_key(job_id))
    for identity, fields in entries[:-1]:
        connection.xadd(keys.events_key(job_id), fields, id=identity)
    connection.hset(keys.job_key(job_id), "sequence", len(entries) - 1)
    if token := entries[-2][1].get(b"token"):  # which came with the repair
        connection.hset(keys.job_key(job_id), "log_token", token)


async def test_a_log_that_grew_again_is_no_continuation(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    settings = StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=tmp_path.as_uri())
    backend, hub = Backend(settings), NotifyHub(redis_server.url)
    reading = asyncio.create_task(hub.run())
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(connection, job.name.removeprefix("jobs/"), 0, worker="w", environment={})
    assert attempt is not None
    attempt.report(progress(1))
    watch = watch_job(backend, hub, attempt.job_id, 0)
    try:
        async with asyncio.timeout(20):
            assert [(await anext(watch)).sequence for _ in range(3)] == [1, 2, 3]
            forget_the_last(connection, attempt.job_id)
            for step in (2, 3):
                await asyncio.to_thread(attempt.report, progress(step))
            with pytest.raises(LogLostError):
                await anext(watch)  # step 3: it has seen step 1, and would never tell of step 2
    finally:
        await end_tasks([reading])
        backend.close()
