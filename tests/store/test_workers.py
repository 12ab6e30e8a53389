"""The register of workers: which there are, and what each of them does."""

import pytest
import redis

from convscope.store import Attempt, ExecutorState, WorkerReport, WorkerStore, mark_holder_lost
from convscope.store.jobs.waiting import waiting_reason
from convscope.store.redis.keys import KEYS, key
from convscope.store.workers import GONE_MS, SILENT_MS
from convscope.worker.supervisor.health import has_live_worker
from support.part_jobs import claim, create, take


@pytest.fixture
def workers(connection: redis.Redis) -> WorkerStore:
    return WorkerStore(connection)


def report(workers: WorkerStore, name: str, device: str = "cpu", *, idle: bool = False) -> None:
    workers.report(WorkerReport(name=name, device=device, idle=idle, fields={"host": "here", "pid": 7}))


def seen_ago(connection: redis.Redis, name: str, milliseconds: int) -> None:
    seconds, microseconds = connection.time()
    then = seconds * 1000 + microseconds // 1000 - milliseconds
    connection.zadd(KEYS["workers"], {name: then})
    connection.hset(key("worker", name), "seen", then)


def test_workers_tell_of_themselves(connection: redis.Redis, workers: WorkerStore) -> None:
    report(workers, "b", "gpu", idle=True)
    report(workers, "a")
    first, second = workers.list()
    assert (first.name, first.device, first.executor, first.silent) == ("a", "cpu", True, False)
    assert (second.name, second.device, second.executor, second.silent) == ("b", "gpu", False, False)
    assert (first.host, first.process_id, first.thread_count, first.version) == ("here", 7, 0, "")
    assert (first.draining, first.started_ms) == (False, 0)
    assert abs(first.seen_ms / 1000 - connection.time()[0]) < 5


def test_a_worker_that_is_to_stop_tells_so(workers: WorkerStore) -> None:
    started_ms = workers.now_ms()
    for draining in (False, True):
        workers.report(WorkerReport(name="w", device="cpu", idle=False, draining=draining, started_ms=started_ms))
        (worker,) = workers.list()
        assert (worker.draining, worker.started_ms) == (draining, started_ms)


def test_a_machine_is_healthy_while_a_worker_on_it_reports(connection: redis.Redis, workers: WorkerStore) -> None:
    assert not has_live_worker(connection, "here")
    report(workers, "w")
    assert has_live_worker(connection, "here")
    assert not has_live_worker(connection, "there")
    seen_ago(connection, "w", GONE_MS + 1_000)
    assert not has_live_worker(connection, "here")


@pytest.mark.parametrize("end", [Attempt.finish, Attempt.release, lambda _: None])
def test_what_a_worker_computes_is_reported_while_it_does(
    connection: redis.Redis, workers: WorkerStore, end: object
) -> None:
    report(workers, "w")
    assert (workers.list()[0].job_id, workers.list()[0].part) == ("", -1)
    job = create(connection, 3)
    take(connection, "other")
    attempt = claim(connection, job, 1, "w")
    assert (workers.list()[0].job_id, workers.list()[0].part) == (attempt.job_id, 1)
    end(attempt)  # type: ignore[operator]
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert workers.list()[0].job_id == ""


def test_an_executor_is_stray_that_neither_holds_a_part_nor_waits_for_one(
    connection: redis.Redis, workers: WorkerStore
) -> None:
    def state(*, idle: bool = False) -> ExecutorState:
        return workers.report(WorkerReport(name="w", device="cpu", idle=idle))

    assert state(idle=True) is ExecutorState.KNOWN
    assert state() is ExecutorState.STRAY  # it has not claimed yet
    attempt = claim(connection, create(connection, 1), worker="w")
    assert state() is ExecutorState.KNOWN
    attempt.release()
    assert state() is ExecutorState.STRAY
    take(connection, "w")
    assert mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert state() is ExecutorState.STRAY
    while take(connection, "w", wait_ms=10_000):
        pass
    assert state() is ExecutorState.KNOWN
    connection.zadd(key("waiting", "cpu"), {"w": 1})  # it was to claim again by now
    assert state() is ExecutorState.STRAY


def test_an_executor_is_stray_whose_claim_redis_has_lost(connection: redis.Redis, workers: WorkerStore) -> None:
    claim(connection, create(connection, 1), worker="w")
    connection.flushdb()
    assert workers.report(WorkerReport(name="w", device="cpu", idle=False)) is ExecutorState.STRAY


def test_a_worker_without_heartbeats_is_silent_then_gone(connection: redis.Redis, workers: WorkerStore) -> None:
    for name in ("there", "silent", "gone"):
        report(workers, name)
    seen_ago(connection, "silent", SILENT_MS + 1000)
    seen_ago(connection, "gone", GONE_MS + 1000)
    assert [(worker.name, worker.silent) for worker in workers.list()] == [("silent", True), ("there", False)]
    assert 0 < connection.pttl(key("worker", "there")) <= GONE_MS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, "many") for field in ("seen", "started", "pid", "threads")),
        *((field, "-1") for field in ("seen", "started", "pid", "threads")),
        *((field, str(2**63)) for field in ("seen", "started", "pid", "threads")),
        ("device", "tpu"),
        ("host", b"\xff"),
        (b"\xff", "x"),
    ],
)
def test_a_damaged_record_is_left_out_and_logged(
    connection: redis.Redis,
    workers: WorkerStore,
    caplog: pytest.LogCaptureFixture,
    field: str | bytes,
    value: str | bytes,
) -> None:
    for name in ("sound", "damaged"):
        report(workers, name)
    connection.hset(key("worker", "damaged"), field, value)
    job = create(connection, 1)
    assert [worker.name for worker in workers.list()] == ["sound"]
    assert "b'damaged'" in caplog.text
    reason = waiting_reason(connection, job)
    assert reason is not None
    assert reason.message == "is next"


@pytest.mark.parametrize("damage", ["type", "device", "seen", "holder", "name", "gone"])
def test_a_record_that_is_none_is_left_out(connection: redis.Redis, workers: WorkerStore, damage: str) -> None:
    for name in ("sound", "damaged"):
        report(workers, name)
    record = key("worker", "damaged")
    match damage:
        case "type":
            connection.set(record, "not a hash")
        case "holder":
            connection.hset(KEYS["holders"], "damaged", "job|part|nonce")
            connection.set(key("parts", "job"), "not a hash")
        case "name":
            connection.zadd(KEYS["workers"], {b"\xff": workers.now_ms()})
            connection.rename(record, record.replace("damaged", "").encode() + b"\xff")
        case "gone":
            connection.delete(record)
        case field:
            connection.hdel(record, field)
    assert [worker.name for worker in workers.list()] == ["sound"]


def test_a_redis_that_refuses_to_tell_is_not_a_damaged_record(
    connection: redis.Redis, workers: WorkerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(workers, "w")
    refused = [redis.ResponseError("MASTERDOWN Link with MASTER is down"), None]
    monkeypatch.setattr(redis.client.Pipeline, "execute", lambda *_, **__: refused)
    with pytest.raises(redis.ResponseError, match="MASTERDOWN"):
        workers.list()


def test_nothing_is_left_of_a_worker_that_stops(connection: redis.Redis, workers: WorkerStore) -> None:
    names = set(connection.keys("*"))
    report(workers, "w", idle=True)
    take(connection, "w", wait_ms=10_000)
    workers.forget("w", "cpu")
    assert workers.list() == []
    assert set(connection.keys("*")) == names


def test_what_dead_workers_leave_goes_in_time(connection: redis.Redis, workers: WorkerStore) -> None:
    create(connection, 2)
    for name in ("dead", "lives"):
        report(workers, name)
        take(connection, name)
        connection.hset(KEYS["warm"], name, "f")
        connection.hset(KEYS["kill"], name, "nonce")
    seen_ago(connection, "dead", 61 * GONE_MS)
    report(workers, "lives")
    for name in ("holders", "warm"):
        assert connection.hkeys(KEYS[name]) == [b"lives"]
    assert connection.hkeys(KEYS["kill"]) == []  # the other one was about an attempt that is over
    assert connection.zrange(KEYS["workers"], 0, -1) == [b"lives"]
