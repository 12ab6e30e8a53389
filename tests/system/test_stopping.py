"""A worker that is told to stop does, whatever comes in between."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.timeouts import HorseMonitorTimeoutException, UnixSignalDeathPenalty

from convscope.store import WorkerStore, connect_patiently, connect_promptly, make_ticket, queue_name
from convscope.store.embedded import EmbeddedRedis
from convscope.worker.supervisor.rq_worker import Supervisor


class Interrupted(Supervisor):
    """A worker whose alarm goes off while it handles the signal to stop."""

    def _drain(self) -> None:
        signal.raise_signal(signal.SIGALRM)


@pytest.mark.usefixtures("own_signals")
def test_an_alarm_amid_the_signal_to_stop_does_not_make_a_worker_forget_it(
    redis_server: EmbeddedRedis, connection: redis.Redis
) -> None:
    with connect_patiently(redis_server.url) as patient, connect_promptly(redis_server.url) as prompt:
        worker = Interrupted(patient, prompt, "interrupted")
        with pytest.raises(HorseMonitorTimeoutException), UnixSignalDeathPenalty(60, HorseMonitorTimeoutException):
            worker.request_stop(signal.SIGTERM, None)
        make_ticket(connection, "cpu")
        worker.work(burst=True)
    queue = Queue(queue_name("cpu"), connection=connection, serializer=JSONSerializer)
    assert queue.count == 1  # it took nothing any more


@pytest.mark.usefixtures("own_signals")
def test_a_worker_tells_when_it_started_and_that_it_is_to_stop(
    redis_server: EmbeddedRedis, connection: redis.Redis
) -> None:
    with connect_patiently(redis_server.url) as patient, connect_promptly(redis_server.url) as prompt:
        worker = Supervisor(patient, prompt, "stops", threads=3)
        worker.heartbeat()
        (before,) = WorkerStore(connection).list()
        with contextlib.suppress(StopRequested):
            worker.request_stop(signal.SIGTERM, None)
        worker.heartbeat()
        (after,) = WorkerStore(connection).list()
    assert (before.draining, after.draining) == (False, True)
    assert before.seen_ms - 60_000 < before.started_ms <= before.seen_ms
    assert after.started_ms == before.started_ms
    assert before.thread_count == 3


@pytest.mark.usefixtures("own_signals")
def test_other_jobs_than_tickets_are_not_run(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(queue_name("cpu"), connection=connection, serializer=JSONSerializer)
    queue.enqueue("os.rmdir", args=[str(tmp_path)])
    queue.enqueue("convscope.worker.executor.process.Executor")
    with connect_patiently(redis_server.url) as patient, connect_promptly(redis_server.url) as prompt:
        Supervisor(patient, prompt, "careful").work(burst=True)
    assert tmp_path.exists()
    assert queue.count == 0
    assert sum("refused to run" in record.message for record in caplog.records) == 2


@pytest.mark.usefixtures("own_signals", "connection")
def test_an_alarm_that_comes_before_the_wait_for_the_executor_does_not_silence_a_worker(
    redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, waits = os.wait4, []

    def lose_alarm(pid: int, options: int) -> Any:
        """Wait as a process does that gets no time until the alarm has gone off."""
        waits.append(pid)
        if len(waits) == 1:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            signal.sigwait({signal.SIGALRM})
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        return wait(pid, options)

    with (
        connect_patiently(redis_server.url) as patient,
        connect_promptly(redis_server.url) as prompt,
        subprocess.Popen(["sleep", "8"]) as executor,
    ):
        worker = Supervisor(patient, prompt, "looks-up")
        worker._horse_pid = executor.pid
        monkeypatch.setattr(os, "wait4", lose_alarm)
        with pytest.raises(HorseMonitorTimeoutException), UnixSignalDeathPenalty(1, HorseMonitorTimeoutException):
            worker.wait_for_horse()
        assert executor.poll() is None
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        executor.kill()
