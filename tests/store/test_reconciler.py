"""What deaths leave behind is put right, by one of many, and only after it has looked wrong for a while."""

import time
from typing import Any

import pytest
import redis

from convscope.store import Attempt, JobStore, ModelStore, Reconciler, mark_holder_lost, open_queue, read_log
from convscope.store.errors import StaleAttemptError
from convscope.store.jobs.attempts import MAX_DEATHS
from convscope.store.redis.keys import KEYS, key
from convscope.store.upkeep import reconciler as module
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Device, Failure, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model, ModelState
from convscope.v1.train_pb2 import TrainSpec
from support.part_jobs import create as create_parts
from support.part_jobs import pop


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def watch_over(reconciler: Reconciler, clock: Clock, seconds: float) -> None:
    """Tick for some seconds of the clock, without waiting."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += module.PERIOD_S
        reconciler.tick()


def create(connection: redis.Redis, *, needs: str = "") -> str:
    spec = JobSpec(evaluate=EvaluateSpec(model=needs)) if needs else JobSpec(train=TrainSpec())
    job, _ = JobStore(connection).create(spec, request_digest="d", needs=needs, model=None if needs else Model())
    return job.name.removeprefix("jobs/")


def take(connection: redis.Redis, job_id: str, worker: str = "w") -> Attempt:
    attempt = Attempt.claim(connection, job_id, 0, worker=worker, environment={})
    assert attempt is not None
    return attempt


def silence(connection: redis.Redis, job_id: str) -> None:
    """Let a lease run out."""
    assert connection.delete(key("leases", job_id, 0)) == 1


def events(connection: redis.Redis, job_id: str) -> list[str | None]:
    entries = read_log(connection, job_id, 0, 100).entries
    return [JobEvent.FromString(entry.event).WhichOneof("event") for entry in entries]


def on_queue(connection: redis.Redis) -> list[list[object]]:
    return [job.args for job in open_queue(connection).jobs]


def test_a_part_that_no_queue_has_is_dispatched(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)  # and its creator died before it could dispatch it
    reconciler = Reconciler(connection)
    watch_over(reconciler, clock, module.GRACE_S - module.PERIOD_S)
    assert on_queue(connection) == []
    watch_over(reconciler, clock, 10)
    assert on_queue(connection) == [[job_id, 0]]  # once, since it is on the queue from then on
    assert events(connection, job_id) == ["queued"]


def test_a_part_that_was_popped_and_never_started_is_dispatched_again(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)
    reconciler = Reconciler(connection)
    watch_over(reconciler, clock, 3)
    assert connection.rpop(open_queue(connection).key) is not None  # by a worker that dies at once
    watch_over(reconciler, clock, 3)
    assert on_queue(connection) == [[job_id, 0]]


def test_a_silent_attempt_is_lost_and_its_writes_refused(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id)
    reconciler = Reconciler(connection)
    watch_over(reconciler, clock, 10)
    assert not attempt.renew()  # with a lease nothing happens to it
    silence(connection, job_id)
    watch_over(reconciler, clock, 4)
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    with pytest.raises(StaleAttemptError):
        attempt.report(JobEvent())
    assert on_queue(connection) == [[job_id, 0]]
    assert take(connection, job_id).number == 2
    assert events(connection, job_id) == ["queued", "attempt_started", "attempt_lost", "queued", "attempt_started"]


def test_a_lease_that_comes_back_in_time_saves_the_attempt(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id)
    reconciler = Reconciler(connection)
    for _ in range(3):
        silence(connection, job_id)
        watch_over(reconciler, clock, module.GRACE_S - module.PERIOD_S)
        assert not attempt.renew()
        watch_over(reconciler, clock, module.PERIOD_S)
    assert events(connection, job_id) == ["queued", "attempt_started"]


def test_who_was_stopped_for_a_while_forgets_what_it_saw(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id)
    silence(connection, job_id)
    reconciler = Reconciler(connection)
    watch_over(reconciler, clock, 1)
    clock.now += 60  # SIGSTOP, SIGCONT: all leases may have run out meanwhile, with everybody else
    reconciler.tick()
    assert not attempt.renew()


def test_attempts_that_keep_dying_fail_the_job(connection: redis.Redis) -> None:
    job_id = create(connection)
    waiter = create(connection, needs=f"models/{job_id}")
    for number in range(1, MAX_DEATHS + 1):
        assert take(connection, job_id).number == number
        mark_holder_lost(connection, job_id, 0, "w", "SIGSEGV")
    job = JobStore(connection).get(f"jobs/{job_id}")
    assert job.state == JobState.JOB_STATE_FAILED
    assert job.failure == Failure(
        reason=Failure.REASON_WORKER_LOST, message=f"the worker died {MAX_DEATHS} times, last SIGSEGV"
    )
    assert ModelStore(connection).get(f"models/{job_id}").state == ModelState.MODEL_STATE_FAILED
    assert JobStore(connection).get(f"jobs/{waiter}").state == JobState.JOB_STATE_FAILED
    assert events(connection, job_id).count("attempt_lost") == MAX_DEATHS


def test_progress_that_is_kept_forgives_earlier_deaths(connection: redis.Redis) -> None:
    job_id = create(connection)
    for _ in range(3 * MAX_DEATHS):
        take(connection, job_id).report(JobEvent(), kept=1)
        mark_holder_lost(connection, job_id, 0, "w", "SIGKILL")
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_QUEUED


def test_a_job_that_was_asked_to_stop_is_not_tried_again(connection: redis.Redis) -> None:
    job_id = create(connection)
    take(connection, job_id)
    JobStore(connection).request_cancel(f"jobs/{job_id}")
    mark_holder_lost(connection, job_id, 0, "w", "SIGKILL")
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_CANCELLED
    assert on_queue(connection) == []


def test_only_the_holder_can_lose_a_part(connection: redis.Redis) -> None:
    job_id = create(connection)
    take(connection, job_id, "first").release()
    second = take(connection, job_id, "second")
    mark_holder_lost(connection, job_id, 0, "first", "SIGKILL")
    assert not second.renew()


def test_waiters_that_nobody_settled_are_settled(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)
    waiter = create(connection, needs=f"models/{job_id}")
    take(connection, job_id).succeed("", Model())  # and the horse died before it could release who waits
    watch_over(Reconciler(connection), clock, 1)
    assert on_queue(connection) == [[waiter, 0]]


def test_one_leads_and_another_takes_over(connection: redis.Redis, clock: Clock) -> None:
    job_id = create(connection)
    first, second = Reconciler(connection), Reconciler(connection)
    first.tick()
    watch_over(second, clock, 5)
    assert on_queue(connection) == []
    first.resign()
    watch_over(second, clock, 5)
    assert on_queue(connection) == [[job_id, 0]]


def test_a_dead_leader_is_followed(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAD_MS", 50)
    monkeypatch.setattr(module, "GRACE_S", 0.0)
    monkeypatch.setattr(module, "PERIOD_S", 0.0)
    job_id = create(connection)
    first, second = Reconciler(connection), Reconciler(connection)
    first.tick()
    assert connection.lpop(open_queue(connection).key) is not None
    deadline = time.monotonic() + 10
    while not on_queue(connection) and time.monotonic() < deadline:
        second.tick()
    assert on_queue(connection) == [[job_id, 0]]


def test_ended_jobs_are_looked_after_no_more(connection: redis.Redis) -> None:
    job_id = create(connection)
    assert connection.smembers(keys.ACTIVE) == {job_id.encode()}
    take(connection, job_id).cancelled()
    assert connection.smembers(keys.ACTIVE) == set()


def test_blobs_are_counted_by_who_points_to_them(connection: redis.Redis) -> None:
    first, second = create(connection), create(connection)
    for job_id, own in ((first, "a"), (second, "b")):
        attempt = take(connection, job_id)
        attempt.report(JobEvent(), "shared")
        attempt.report(JobEvent(), "shared")
        attempt.succeed(own, Model(sha256=f"model {own}"), history="history")
    found: Any = connection.hgetall(KEYS["references"])
    counts = {name.decode(): int(count) for name, count in found.items()}
    assert counts == {"shared": 2, "a": 1, "b": 1, "model a": 1, "model b": 1, "history": 2}
    assert JobStore(connection).delete(f"jobs/{first}") == ["a"]
    assert set(JobStore(connection).delete(f"jobs/{second}")) == {"b", "shared"}
    assert ModelStore(connection).delete(f"models/{first}") == ["model a"]
    assert set(ModelStore(connection).delete(f"models/{second}")) == {"model b", "history"}
    assert connection.hgetall(KEYS["references"]) == {}


@pytest.mark.parametrize("deleted", [False, True])
def test_a_queue_that_no_worker_serves_keeps_nothing_of_a_cancelled_job(
    connection: redis.Redis, clock: Clock, deleted: bool
) -> None:
    jobs = JobStore(connection)
    ended, open_ = (create_parts(connection, 2, device=Device.DEVICE_GPU) for _ in range(2))
    jobs.request_cancel(ended.name)
    if deleted:
        jobs.delete(ended.name)
    watch_over(Reconciler(connection), clock, 0.5)
    entry = f"{open_.name.removeprefix('jobs/')}-0".encode()
    assert connection.lrange(open_queue(connection, device="gpu").key, 0, -1) == [entry]
    assert connection.keys("rq:job:*") == [b"rq:job:" + entry]


def test_the_parts_that_a_running_job_had_queued_go_with_it(connection: redis.Redis, clock: Clock) -> None:
    job = create_parts(connection, 3)
    job_id = job.name.removeprefix("jobs/")
    pop(connection)
    attempt = take(connection, job_id)  # which queues the part that follows
    reconciler = Reconciler(connection)
    JobStore(connection).request_cancel(job.name)
    watch_over(reconciler, clock, 0.5)
    assert on_queue(connection) == [[job_id, 1]]
    attempt.cancelled()
    watch_over(reconciler, clock, 1)
    assert on_queue(connection) == []
    assert connection.keys("rq:job:*") == [f"rq:job:{job_id}-0".encode()]  # which is its worker's to remove
