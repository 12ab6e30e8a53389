"""What a service does besides answering: when it breaks, the log says so, and it continues."""

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest
import redis

from convscope.service.backend import Backend
from convscope.service.hub import NotifyHub
from convscope.service.tasks import end_tasks, keep_running
from convscope.service.watch import watch_job
from convscope.store import JobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import KEYS
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.train_pb2 import TrainSpec
from support.api import PATIENCE_S
from support.service_alone import service_alone


async def test_work_that_breaks_is_logged_and_done_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("convscope.service.tasks.RESTART_PAUSE_S", 0.0)
    done = asyncio.Event()
    faults = [KeyError("job"), OSError("none left")]

    async def work() -> None:
        if faults:
            raise faults.pop()
        done.set()
        await asyncio.Event().wait()

    with caplog.at_level(logging.ERROR):
        task = asyncio.create_task(keep_running("the work", work))
        await asyncio.wait_for(done.wait(), PATIENCE_S)
    await end_tasks([task])
    assert task.cancelled()
    assert [record.message for record in caplog.records] == ["the work broke off and is started again"] * 2
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [OSError, KeyError]


async def test_news_that_cannot_be_read_end_no_watch(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.service.tasks.RESTART_PAUSE_S", 0.0)
    monkeypatch.setattr("convscope.service.watch.IDLE_S", 0.2)  # news may come while no watch reads them
    backend = Backend(StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=tmp_path.as_uri()))
    hub, broken = NotifyHub(redis_server.url), asyncio.Event()

    async def read() -> None:
        try:
            await hub.run()
        except KeyError:
            broken.set()
            raise

    jobs = JobStore(connection)
    job, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d")
    async with asyncio.timeout(PATIENCE_S):
        task = asyncio.create_task(keep_running("the reading", read))
        watch = watch_job(backend, hub, job.name.removeprefix("jobs/"), 0)
        assert (await anext(watch)).HasField("queued")
        while not broken.is_set():  # the first may come before a watch reads
            connection.xadd(KEYS["notify"], {"unknown": "field"})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(broken.wait(), 0.1)
        jobs.request_cancel(job.name)
        rest = [event.WhichOneof("event") async for event in watch]
        assert [kind for kind in rest if kind != "bookmark"] == ["cancel_requested", "finished"]
    await end_tasks([task])
    backend.close()


def test_a_record_that_cannot_be_looked_after_is_reported(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    connection.set(KEYS["leases"], "not a sorted set")
    with service_alone(redis_server.url, tmp_path) as (_, process):
        assert process.stderr is not None
        assert any("reconciling jobs broke off" in line for line in process.stderr)
        assert any("WRONGTYPE" in line for line in process.stderr)
