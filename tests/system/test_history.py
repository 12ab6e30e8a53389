"""Watching over the network what Redis no longer has: an error that says so and how to resume, never a gap."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import redis

from convscope.client import Client, DataLoss
from convscope.store import Attempt, Claimant, JobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import GetJobRequest, JobEvent, JobSpec, WatchJobRequest
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from support.api import PATIENCE_S, Api, connect
from support.service_alone import service_alone

# Events of the job: it is queued, an attempt starts, and progress is reported so often; then it may end.
REPORTS = 8
EVENTS = REPORTS + 2


@pytest.fixture(scope="module")
def address(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("home")
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.flushall()
    with service_alone(redis_server.url, home) as (address, _):
        yield address


@pytest.fixture
def api(address: str) -> Iterator[Api]:
    with connect(address) as api:
        yield api


@pytest.fixture
def attempt(connection: redis.Redis) -> Attempt:
    """A job that runs, with some events."""
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    attempt = Attempt.claim(connection, Claimant(worker="w"))
    assert attempt is not None
    assert job.name == f"jobs/{attempt.job_id}"
    connection.zadd(KEYS["leases"], {f"{attempt.job_id}|0": 2**50})  # the service's reconciler is to leave it alone
    for step in range(1, REPORTS + 1):
        attempt.report(JobEvent(train_progress=TrainProgress(step=step)))
    return attempt


def watch(api: Api, attempt: Attempt, after: int, token: str = "") -> Iterator[JobEvent]:
    request = WatchJobRequest(name=f"jobs/{attempt.job_id}", after_sequence=after, after_token=token)
    events: Iterator[JobEvent] = api.jobs.WatchJob(request, timeout=PATIENCE_S)
    return events


def refusal(watch: Iterator[JobEvent]) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.RpcError) as caught:
        next(watch)
    return caught.value.code(), caught.value.details()


def trim(connection: redis.Redis, attempt: Attempt) -> None:
    connection.xtrim(key("events", attempt.job_id), minid="6-0", approximate=False)


def cut_out(connection: redis.Redis, attempt: Attempt) -> None:
    connection.xdel(key("events", attempt.job_id), *[f"{sequence}-0" for sequence in range(1, 6)])


@pytest.mark.parametrize("lose", [trim, cut_out])
def test_history_that_is_gone_is_data_loss_with_a_way_on(
    connection: redis.Redis, api: Api, attempt: Attempt, lose: Callable[[redis.Redis, Attempt], None]
) -> None:
    lose(connection, attempt)
    for after in (0, 2, 4):
        code, message = refusal(watch(api, attempt, after))
        assert code is grpc.StatusCode.DATA_LOSS
        assert message is not None
        assert message.startswith(f"event {after + 1} of jobs/{attempt.job_id} is missing")
        assert "GetJob tells how the job stands" in message
    job = api.jobs.GetJob(GetJobRequest(name=f"jobs/{attempt.job_id}"), timeout=PATIENCE_S)
    assert job.sequence == EVENTS
    attempt.cancelled()
    assert [event.sequence for event in watch(api, attempt, job.sequence)] == [EVENTS + 1]
    assert [event.sequence for event in watch(api, attempt, 5)] == list(range(6, EVENTS + 2))


def test_everything_is_gone(connection: redis.Redis, api: Api, attempt: Attempt) -> None:
    connection.xtrim(key("events", attempt.job_id), maxlen=0, approximate=False)
    assert refusal(watch(api, attempt, EVENTS - 1))[0] is grpc.StatusCode.DATA_LOSS
    following = watch(api, attempt, EVENTS)
    attempt.cancelled()
    assert next(following).HasField("finished")


def test_a_gap_is_reported_when_the_watch_comes_to_it(connection: redis.Redis, api: Api, attempt: Attempt) -> None:
    connection.xdel(key("events", attempt.job_id), "4-0")
    following = watch(api, attempt, 0)
    assert [next(following).sequence for _ in range(3)] == [1, 2, 3]
    code, message = refusal(following)
    assert code is grpc.StatusCode.DATA_LOSS
    assert message is not None
    assert message.startswith("event 4 of")


def test_the_client_says_it_in_its_own_words(connection: redis.Redis, address: str, attempt: Attempt) -> None:
    trim(connection, attempt)
    with Client(address) as client:
        job = client.job(f"jobs/{attempt.job_id}")
        with pytest.raises(DataLoss, match="GetJob"):
            next(job.watch())
        assert job.refresh().sequence == EVENTS
        assert next(job.watch(5)).sequence == 6


def test_events_that_redis_lost_are_data_loss(
    connection: redis.Redis, api: Api, address: str, attempt: Attempt
) -> None:
    *_, last = (event for _, event in zip(range(EVENTS), watch(api, attempt, 0), strict=False))
    code, message = refusal(watch(api, attempt, EVENTS, "0123456789abcdef"))
    assert code is grpc.StatusCode.DATA_LOSS
    assert message == (
        f"event {EVENTS} of jobs/{attempt.job_id} is not the one that was seen: Redis has lost events. "
        "GetJob tells how the job stands, a watch from the beginning what is left"
    )
    code, message = refusal(watch(api, attempt, EVENTS + 1, last.log_token))
    assert code is grpc.StatusCode.DATA_LOSS
    assert message is not None
    assert f"has {EVENTS} events; there is none with sequence {EVENTS + 1}: Redis has lost events" in message
    with Client(address) as client, pytest.raises(DataLoss, match="Redis has lost events"):
        next(client.job(f"jobs/{attempt.job_id}").watch(EVENTS + 1))
    attempt.cancelled()
    assert [event.sequence for event in watch(api, attempt, EVENTS, last.log_token)] == [EVENTS + 1]
