"""The event log: readers get the sequence numbers 1, 2, 3, ... or an error that says why not."""

import itertools
import time
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.store import Attempt, Claimant, JobStore, LogEntry, LogPage, read_log
from convscope.store.errors import LogLostError, NotFoundError, StaleAttemptError
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from support import part_jobs


def take(connection: redis.Redis, job_id: str) -> Attempt | None:
    return Attempt.claim(connection, Claimant(worker="worker"))


def running_job(connection: redis.Redis) -> Attempt:
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = take(connection, job.name.removeprefix("jobs/"))
    assert attempt is not None
    return attempt


def progress(step: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=step))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operations=st.lists(st.sampled_from(["write", "stale write", "hand over", "read"]), max_size=30),
    page=st.integers(1, 7),
)
def test_readers_see_every_event_once_and_in_order(connection: redis.Redis, operations: list[str], page: int) -> None:
    current = running_job(connection)
    stale: Attempt | None = None
    written = [0]  # steps of the progress events that were acknowledged
    steps: list[int] = []
    after = 0
    for operation in [*operations, *["read"] * (2 * len(operations) + 4)]:
        match operation:
            case "write":
                written.append(written[-1] + 1)
                current.report(progress(written[-1]))
            case "stale write" if stale:
                with pytest.raises(StaleAttemptError):
                    stale.report(progress(-1))
            case "hand over":
                current.release()
                successor = take(connection, current.job_id)
                assert successor is not None
                stale, current = current, successor
            case "read":
                for entry in read_log(connection, current.job_id, after, page).entries:
                    assert entry.sequence == after + 1
                    after = entry.sequence
                    event = JobEvent.FromString(entry.event)
                    if event.HasField("train_progress"):
                        steps.append(event.train_progress.step)
    assert steps == written[1:]


def test_the_notify_stream_carries_the_same_entries(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    for step in range(3):
        attempt.report(progress(step), "digest")
    entries = read_log(connection, attempt.job_id, 0, 10).entries
    reply: Any = connection.xrange(KEYS["notify"])
    notified = [fields for _, fields in reply]
    assert [LogEntry.from_fields(int(fields[b"sequence"]), fields) for fields in notified] == entries
    assert {fields[b"job"].decode() for fields in notified} == {attempt.job_id}


def test_reading_beyond_the_log_is_reported(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    assert read_log(connection, attempt.job_id, 2, 10) == LogPage([], complete=False)
    with pytest.raises(LogLostError, match=r"2 events.*sequence 3"):
        read_log(connection, attempt.job_id, 3, 10)
    with pytest.raises(NotFoundError):
        read_log(connection, "none", 0, 10)


def test_missing_first_events_are_reported(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    for step in range(5):
        attempt.report(progress(step))
    connection.xtrim(key("events", attempt.job_id), minid="4-0", approximate=False)
    with pytest.raises(LogLostError, match=r"event 3 of .* is missing"):
        read_log(connection, attempt.job_id, 2, 10)
    assert [entry.sequence for entry in read_log(connection, attempt.job_id, 3, 10).entries] == [4, 5, 6, 7]


def test_a_gap_ends_a_page_and_is_reported_next(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    for step in range(5):
        attempt.report(progress(step))
    connection.xdel(key("events", attempt.job_id), "4-0")
    assert [entry.sequence for entry in read_log(connection, attempt.job_id, 0, 10).entries] == [1, 2, 3]
    with pytest.raises(LogLostError, match=r"event 4 of .* is missing"):
        read_log(connection, attempt.job_id, 3, 10)
    assert [entry.sequence for entry in read_log(connection, attempt.job_id, 4, 10).entries] == [5, 6, 7]


def test_sequences_of_concurrent_jobs_are_their_own(connection: redis.Redis) -> None:
    attempts = [running_job(connection) for _ in range(3)]
    for attempt in itertools.islice(itertools.cycle(attempts), 30):
        attempt.report(progress(1))
    for attempt in attempts:
        entries = read_log(connection, attempt.job_id, 0, 100).entries
        assert [entry.sequence for entry in entries] == list(range(1, 13))


def test_a_page_tells_whether_the_job_ends_with_it(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    attempt.report(progress(1))
    assert not read_log(connection, attempt.job_id, 0, 10).complete
    attempt.cancelled()
    assert not read_log(connection, attempt.job_id, 0, 3).complete
    assert read_log(connection, attempt.job_id, 0, 4).complete
    assert read_log(connection, attempt.job_id, 4, 10) == LogPage([], complete=True)


def test_times_are_those_of_redis(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def now() -> int:
        seconds, microseconds = connection.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    before = now()
    for clock in ("time", "time_ns"):
        monkeypatch.setattr(time, clock, lambda: 0)
    job = part_jobs.create(connection, 1)
    part_jobs.claim(connection, job).succeed("")
    monkeypatch.undo()
    ended = JobStore(connection).get(job.name)
    times = [entry.time_ms for entry in read_log(connection, job.name.removeprefix("jobs/"), 0, 100).entries]
    stamps = (ended.create_time, ended.start_time, ended.end_time)
    order = [before, *(stamp.ToMilliseconds() for stamp in stamps), now()]
    assert order == sorted(order)
    assert times == order[1:4]
