"""Executors that hang, in whatever way, are killed within the time that ``docs/recovery.md`` gives."""

import time
from pathlib import Path
from typing import cast

import psutil
import pytest
import redis

from convscope.store import JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.jobs.attempts import LEASE_MS
from convscope.store.jobs.jobs import CANCEL_GRACE_MS
from convscope.store.redis.keys import KEYS
from convscope.v1.jobs_pb2 import JobState
from convscope.worker.executor.lease import PERIOD_S
from convscope.worker.supervisor.rq_worker import MOST_STRAY_REPORTS
from support.worker_alone import WorkerAlone, eventually, worker_alone

# The reconciler looks twice a second and the supervisor every second; a busy machine takes its time.
LATE_S = 8.0


def hang(worker: WorkerAlone) -> tuple[str, psutil.Process]:
    """Create a job whose executor hangs before it asks whether to stop; return the job's name and the executor."""
    job = worker.create(1_000_000)
    worker.await_event(job, "attempt_started")
    return job.name, worker.executor


def since_renewal_s(connection: redis.Redis) -> float:
    """Return the seconds since the only lease was renewed."""
    ((_, until_ms),) = cast("list[tuple[bytes, float]]", connection.zrange(KEYS["leases"], 0, -1, withscores=True))
    seconds, microseconds = connection.time()
    return seconds + microseconds / 1e6 + LEASE_MS / 1000 - until_ms / 1000


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "hang(gil)"])
def test_one_that_falls_silent_is_killed_and_its_job_computed_again(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path, how: str
) -> None:
    with worker_alone(redis_server.url, tmp_path, CONVSCOPE_FAILPOINTS=f"executor.pulse={how}") as worker:
        name, executor = hang(worker)
        executor.wait(LEASE_MS / 1000 + LATE_S)
        eventually(lambda: worker.executors and worker.executor != executor, LATE_S)
        JobStore(connection).request_cancel(name)
        worker.process.terminate()


@pytest.mark.slow
def test_a_job_whose_executor_holds_the_interpreter_is_cancelled(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    with worker_alone(redis_server.url, tmp_path, CONVSCOPE_FAILPOINTS="executor.pulse=hang(gil)") as worker:
        name, executor = hang(worker)
        job = JobStore(connection).request_cancel(name)
        assert worker.finish(job, LEASE_MS / 1000 + LATE_S).state == JobState.JOB_STATE_CANCELLED
        executor.wait(LATE_S)


@pytest.mark.slow
def test_a_job_whose_executor_lives_and_does_not_hear_is_cancelled(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    with worker_alone(redis_server.url, tmp_path, CONVSCOPE_FAILPOINTS="executor.pulse=hang") as worker:
        name, executor = hang(worker)
        time.sleep(LEASE_MS / 1000 + 1)  # its lease is renewed for as long as no request to stop is made
        assert executor == worker.executor
        asked_at = time.monotonic()
        job = JobStore(connection).request_cancel(name)
        assert worker.finish(job, CANCEL_GRACE_MS / 1000 + LATE_S).state == JobState.JOB_STATE_CANCELLED
        assert time.monotonic() - asked_at > CANCEL_GRACE_MS / 1000 - 1  # it was given the time to stop by itself
        executor.wait(LATE_S)


@pytest.mark.slow
def test_one_that_hangs_when_redis_has_lost_its_claim_is_killed(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    with worker_alone(redis_server.url, tmp_path, CONVSCOPE_FAILPOINTS="executor.pulse=hang(gil)") as worker:
        _, executor = hang(worker)
        eventually(lambda: since_renewal_s(connection) > 4 * PERIOD_S)  # now it hangs
        connection.flushdb()
        executor.wait(1.5 * MOST_STRAY_REPORTS + LATE_S)
        assert worker.finish(worker.create()).state == JobState.JOB_STATE_SUCCEEDED  # of no steps: it never asks


@pytest.mark.slow
def test_one_that_waits_is_not_killed(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with worker_alone(redis_server.url, tmp_path) as worker:
        worker.finish(worker.create())
        with pytest.raises(psutil.TimeoutExpired):
            worker.executor.wait(1.5 * MOST_STRAY_REPORTS)
