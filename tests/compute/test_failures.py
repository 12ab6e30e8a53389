"""What a failed job says of an unforeseen error."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from convscope.store import BlobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import TooNewError
from convscope.v1.jobs_pb2 import Failure, JobState
from convscope.worker.executor.process import Executor, _failure
from convscope.worker.settings import WorkerSettings
from support.part_jobs import claim, create, kinds, state


@pytest.fixture
def executor(
    redis_server: EmbeddedRedis, connection: redis.Redis, blobs: BlobStore, tmp_path: Path
) -> Iterator[Executor]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    store = StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=blobs.url)
    yield Executor(store, WorkerSettings(), connection)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("error", [redis.ConnectionError, redis.TimeoutError])
def test_a_job_does_not_fail_because_redis_was_away_for_long(
    connection: redis.Redis, blobs: BlobStore, executor: Executor, error: type[Exception]
) -> None:
    job = create(connection, 1)
    attempt = claim(connection, job, blobs=blobs)

    def write(_: object) -> None:
        raise error("Connection refused")  # after ten minutes; then it is back

    executor._runners["visualize"] = write
    executor._compute(attempt)
    assert state(connection, job) == JobState.JOB_STATE_QUEUED
    assert kinds(connection, job) == ["queued", "attempt_started", "queued"]
    assert claim(connection, job).number == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("shapes differ\nTraceback of graph node\n...", "shapes differ"),
        ("Exception encountered when calling Functional.call().\n\n  bad name\n\nArguments received", "bad name"),
        ("", "no reason"),
    ],
)
def test_the_line_that_says_why(text: str, reason: str) -> None:
    failure = _failure(ValueError(text))
    assert failure.reason == Failure.REASON_COMPUTATION
    assert failure.message == f"ValueError: {reason}; the worker's log has the details"


def test_a_worker_that_is_too_old_says_what_to_do() -> None:
    message = _failure(TooNewError("plans of version 9")).message
    assert "older than the service" in message
    assert "does not know plans of version 9: update the worker" in message
