"""A log that lost its end and grew again differs from the one that was read, wherever the reader was."""

from dataclasses import dataclass
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.store import Attempt, Claimant, JobStore, read_log
from convscope.store.errors import LogLostError
from convscope.store.jobs.events import LogEntry, link
from convscope.store.redis.keys import key
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.train_pb2 import TrainProgress, TrainSpec

MANY = 1_000


def running_job(connection: redis.Redis) -> Attempt:
    JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(connection, Claimant(worker="worker"))
    assert attempt is not None
    return attempt


def report(attempt: Attempt, count: int, loss: float = 0.0) -> None:
    for step in range(count):
        attempt.report(JobEvent(train_progress=TrainProgress(step=step, loss=loss)), f"digest {step}")


def entries(connection: redis.Redis, attempt: Attempt) -> list[LogEntry]:
    return read_log(connection, attempt.job_id, 0, MANY).entries


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job as Redis had it at some time."""

    fields: Any
    length: int

    @classmethod
    def of(cls, connection: redis.Redis, attempt: Attempt) -> "Snapshot":
        length = connection.xlen(key("events", attempt.job_id))
        return cls(connection.hgetall(key("job", attempt.job_id)), length)

    def restore(self, connection: redis.Redis, attempt: Attempt) -> None:
        """Have Redis forget what happened since."""
        stream, record = key("events", attempt.job_id), key("job", attempt.job_id)
        kept: Any = connection.xrange(stream, count=self.length)
        connection.delete(stream, record)
        connection.hset(record, mapping=self.fields)
        for entry, fields in kept:
            connection.xadd(stream, fields, id=entry)


def test_each_token_is_a_link_of_a_chain(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    report(attempt, 5)
    attempt.cancelled()
    token = ""
    for entry in entries(connection, attempt):
        token = link(token, entry.time_ms, entry.event, entry.blob)
        assert entry.token == token
    assert connection.hget(key("job", attempt.job_id), "log_token") == token.encode()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.integers(0, 5), lost=st.integers(0, 5), rerun=st.integers(0, 10), data=st.data())
def test_a_reader_resumes_only_if_what_it_read_is_still_there(
    connection: redis.Redis, kept: int, lost: int, rerun: int, data: st.DataObject
) -> None:
    attempt = running_job(connection)
    report(attempt, kept)
    snapshot = Snapshot.of(connection, attempt)
    report(attempt, lost)
    log = entries(connection, attempt)
    snapshot.restore(connection, attempt)
    report(attempt, rerun, loss=1.0)
    now = entries(connection, attempt)
    after = data.draw(st.integers(1, len(log)), label="after")
    page = data.draw(st.integers(1, 5), label="page")
    token = log[after - 1].token
    if after <= snapshot.length:
        assert read_log(connection, attempt.job_id, after, page, token).entries == now[after : after + page]
    else:
        with pytest.raises(LogLostError, match="Redis has lost events"):
            read_log(connection, attempt.job_id, after, page, token)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.integers(0, 12), page=st.integers(1, 7))
def test_a_reader_that_sends_tokens_reads_to_the_end(connection: redis.Redis, events: int, page: int) -> None:
    attempt = running_job(connection)
    report(attempt, events)
    read: list[LogEntry] = []
    while len(read) < events + 2:
        read += read_log(connection, attempt.job_id, len(read), page, read[-1].token if read else "").entries
    assert read == entries(connection, attempt)
    assert read_log(connection, attempt.job_id, len(read), page, read[-1].token).entries == []


def test_a_log_without_its_first_events_can_be_read_on_with_a_token(connection: redis.Redis) -> None:
    attempt = running_job(connection)
    report(attempt, 4)
    log = entries(connection, attempt)
    connection.xtrim(key("events", attempt.job_id), minid="4-0", approximate=False)
    assert read_log(connection, attempt.job_id, 3, 10, log[2].token).entries == log[3:]
    with pytest.raises(LogLostError, match="event 3 of"):
        read_log(connection, attempt.job_id, 3, 10, log[1].token)
