"""Watches without a network: fed by one read of the notify stream, exact whatever is dropped on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from convscope.service import hub as hub_module
from convscope.service.backend import Backend
from convscope.service.hub import NotifyHub
from convscope.service.tasks import end_tasks
from convscope.service.watch import watch_job
from convscope.store import Attempt, Claimant, JobStore, LogEntry, StoreSettings, read_log
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import BlobDamagedError, LogLostError
from convscope.store.jobs.events import link
from convscope.store.redis.keys import key
from convscope.v1.feature_pb2 import ObjectiveRef
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from convscope.v1.visualize_pb2 import Image, ImageReady, OptimizedImage
from support.stored_images import pixels, tensor

# Longer than anything here takes, in seconds.
PATIENCE_S = 20


@pytest.fixture
def backend(redis_server: EmbeddedRedis, tmp_path: Path) -> Backend:
    url = tmp_path.as_uri()
    return Backend(StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=url))


@contextlib.asynccontextmanager
async def running_hub(backend: Backend) -> AsyncIterator[NotifyHub]:
    hub = NotifyHub(backend.settings.redis_url)
    task = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        await end_tasks([task])
        backend.close()


def start_job(connection: redis.Redis) -> Attempt:
    JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(connection, Claimant(worker="w"))
    assert attempt is not None
    return attempt


def progress(step: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=step))


def last_token(connection: redis.Redis, attempt: Attempt) -> str:
    return read_log(connection, attempt.job_id, 0, 100).entries[-1].token


async def watched_sequences(backend: Backend, hub: NotifyHub, attempt: Attempt, after: int = 0) -> list[int]:
    async with asyncio.timeout(PATIENCE_S):
        watch = watch_job(backend, hub, attempt.job_id, after)
        return [event.sequence async for event in watch if not event.HasField("bookmark")]


async def test_events_that_happen_while_watching_arrive(connection: redis.Redis, backend: Backend) -> None:
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        watches = [asyncio.create_task(watched_sequences(backend, hub, attempt, after)) for after in (0, 1)]
        for step in range(200):
            await asyncio.to_thread(attempt.report, progress(step))
        await asyncio.to_thread(attempt.cancelled)
        assert await asyncio.gather(*watches) == [list(range(1, 204)), list(range(2, 204))]


async def test_a_watcher_that_falls_behind_reads_the_log(
    connection: redis.Redis, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "BACKLOG", 3)
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        watch = watch_job(backend, hub, attempt.job_id, 0)
        sequences = [(await anext(watch)).sequence]
        for step in range(50):
            await asyncio.to_thread(attempt.report, progress(step))
        await asyncio.to_thread(attempt.cancelled)
        async with asyncio.timeout(PATIENCE_S):
            sequences += [event.sequence async for event in watch if not event.HasField("bookmark")]
        assert sequences == list(range(1, 54))


async def test_a_silent_watch_gives_signs_of_life(
    connection: redis.Redis, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.service.watch.IDLE_S", 0.05)
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        watch = watch_job(backend, hub, attempt.job_id, 0)
        events = [await anext(watch) for _ in range(5)]
        assert [event.sequence for event in events] == [1, 2, 2, 2, 2]
        assert [event.HasField("bookmark") for event in events] == [False, False, True, True, True]
        await asyncio.to_thread(attempt.cancelled)
        async with asyncio.timeout(PATIENCE_S):
            rest = [event async for event in watch if not event.HasField("bookmark")]
        assert [event.sequence for event in rest] == [3]


async def test_news_that_the_stream_lost_are_found_in_the_log(
    connection: redis.Redis, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.service.watch.IDLE_S", 0.2)
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        watch = asyncio.create_task(watched_sequences(backend, hub, attempt))
        # An event that is in the log and never was in the notify stream, as if trimmed before the hub could read it.
        event = progress(1).SerializeToString()
        with connection.pipeline(transaction=True) as pipeline:
            token = link(last_token(connection, attempt), 1, event, "")
            pipeline.hset(key("job", attempt.job_id), mapping={"sequence": 3, "log_token": token})
            pipeline.xadd(
                key("events", attempt.job_id),
                {"time": 1, "event": event, "blob": "", "token": token, "completed": 0},
                id="3-0",
            )
            pipeline.execute()
        await asyncio.to_thread(attempt.cancelled)
        assert await watch == [1, 2, 3, 4]


async def test_news_with_a_gap_within_are_not_passed_on(connection: redis.Redis, backend: Backend) -> None:
    """They can wait together for a watcher although the stream lost what was between them."""
    attempt = start_job(connection)

    async def take(_timeout_s: float) -> list[LogEntry]:
        for step in range(3):
            attempt.report(progress(step))
        first, _, third = read_log(connection, attempt.job_id, 2, 3).entries
        return [first, third]

    hub: Any = SimpleNamespace(subscribe=lambda _: contextlib.nullcontext(SimpleNamespace(take=take)))
    watch = watch_job(backend, hub, attempt.job_id, 0)
    async with asyncio.timeout(PATIENCE_S):
        assert [(await anext(watch)).sequence for _ in range(5)] == [1, 2, 3, 4, 5]
    backend.close()


async def test_many_watchers_of_many_jobs(connection: redis.Redis, backend: Backend) -> None:
    async with running_hub(backend) as hub:
        attempts = [start_job(connection) for _ in range(5)]
        watches = [asyncio.create_task(watched_sequences(backend, hub, attempt)) for attempt in attempts * 20]
        for step in range(20):
            for attempt in attempts:
                await asyncio.to_thread(attempt.report, progress(step))
        for attempt in attempts:
            await asyncio.to_thread(attempt.cancelled)
        assert await asyncio.gather(*watches) == [list(range(1, 24))] * 100


async def test_images_are_filled_in(connection: redis.Redis, backend: Backend) -> None:
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        image = Image(cache_key="k")
        digest = backend.blobs.put(image.SerializeToString())
        attempt.report(JobEvent(image_ready=ImageReady(completed_count=1, total_count=2)), digest)
        attempt.report(JobEvent(image_ready=ImageReady(completed_count=2, total_count=2)), "0" * 64)
        watch = watch_job(backend, hub, attempt.job_id, 2)
        assert (await anext(watch)).image_ready.image == image
        with pytest.raises(BlobDamagedError, match="0" * 64):
            await anext(watch)


async def test_an_image_has_name_subject_and_format(connection: redis.Redis, backend: Backend) -> None:
    """The log has what differs from job to job, the blob the rest."""
    stored = Image(restart=4, best=OptimizedImage(pixels=tensor(pixels(0)), objective=2.5), cache_key="k")
    stored.frames.add(iteration=1)
    digest = backend.blobs.put(stored.SerializeToString())
    reported = Image(name="jobs/j/images/0", objective=ObjectiveRef(index=1, name="mine"))
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        attempt.report(JobEvent(image_ready=ImageReady(image=reported, total_count=1)), digest)
        watched = {
            image_format: (
                await anext(watch_job(backend, hub, attempt.job_id, 2, image_format=image_format))
            ).image_ready
            for image_format in ImageFormat.values()[1:]
        }
    for image_format, ready in watched.items():
        image = ready.image
        assert (image.name, image.objective.name, image.restart, image.best.objective) == (
            reported.name,
            "mine",
            4,
            2.5,
        )
        assert not image.frames
        whole = image_format == ImageFormat.IMAGE_FORMAT_FLOAT32
        assert image.best.HasField("pixels") == whole
        assert image.png.startswith(b"\x89PNG") == (image_format == ImageFormat.IMAGE_FORMAT_PNG)


def forget_the_last(connection: redis.Redis, attempt: Attempt) -> None:
    """Have Redis lose the last event."""
    entries = read_log(connection, attempt.job_id, 0, 100).entries
    connection.delete(key("events", attempt.job_id))
    for entry in entries[:-1]:
        fields = {"event": entry.event, "blob": entry.blob, "token": entry.token}
        connection.xadd(key("events", attempt.job_id), fields, id=f"{entry.sequence}-0")  # type: ignore[arg-type]
    record = {"sequence": len(entries) - 1, "log_token": entries[-2].token}
    connection.hset(key("job", attempt.job_id), mapping=record)  # type: ignore[arg-type]


async def nothing_but_bookmarks(watch: AsyncIterator[JobEvent]) -> None:
    async for event in watch:
        assert event.HasField("bookmark")


async def test_a_log_that_grew_again_is_no_continuation(
    connection: redis.Redis, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the watch continues by news, by what the log has, or is resumed."""
    monkeypatch.setattr("convscope.service.watch.IDLE_S", 0.2)
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        attempt.report(progress(1))
        watch = watch_job(backend, hub, attempt.job_id, 0)
        events = [await anext(watch) for _ in range(3)]
        assert [bool(event.log_token) for event in events] == [True] * 3
        forget_the_last(connection, attempt)
        for step in (2, 3):
            await asyncio.to_thread(attempt.report, progress(step))
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(LogLostError, match="not the one"):
                await nothing_but_bookmarks(watch)
            with pytest.raises(LogLostError, match="not the one"):
                await anext(watch_job(backend, hub, attempt.job_id, 3, events[2].log_token))
            again = watch_job(backend, hub, attempt.job_id, 2, events[1].log_token)
            assert [(await anext(again)).train_progress.step for _ in range(2)] == [2, 3]


async def test_a_watch_of_a_job_without_news_can_be_resumed(connection: redis.Redis, backend: Backend) -> None:
    async with running_hub(backend) as hub:
        attempt = start_job(connection)
        with pytest.raises(LogLostError):
            await anext(watch_job(backend, hub, attempt.job_id, 2, "another token"))
        watch = watch_job(backend, hub, attempt.job_id, 2, last_token(connection, attempt))
        await asyncio.to_thread(attempt.report, progress(1))
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(watch)).train_progress.step == 1
