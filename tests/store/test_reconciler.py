"""What deaths leave behind is repaired, by one of many, and at a cost that follows from what runs."""

import time
from typing import Any, cast

import pytest
import redis

from convscope.store import (
    Attempt,
    JobStore,
    ModelStore,
    Reconciler,
    WorkerReport,
    WorkerStore,
    mark_holder_lost,
    read_log,
    top_up_tickets,
)
from convscope.store.errors import StaleAttemptError
from convscope.store.jobs.attempts import LEASE_MS, MAX_DEATHS
from convscope.store.jobs.jobs import CANCEL_GRACE_MS
from convscope.store.redis.keys import KEYS, key
from convscope.store.upkeep.reconciler import LEAD_MS
from convscope.v1.digest_pb2 import Digest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, JobEvent, JobSpec, JobState, Priority
from convscope.v1.models_pb2 import Model, ModelState
from convscope.v1.train_pb2 import TrainSpec
from support import part_jobs
from support.part_jobs import ready


@pytest.fixture
def reconciler(connection: redis.Redis) -> Reconciler:
    """A reconciler that leads, and has just looked."""
    reconciler = Reconciler(connection, period_s=0)
    reconciler.tick()
    return reconciler


def create(connection: redis.Redis, *, needs: str = "") -> str:
    spec = JobSpec(evaluate=EvaluateSpec(model=needs)) if needs else JobSpec(train=TrainSpec())
    job, _ = JobStore(connection).create(spec, request_digest="d", needs=needs, model=None if needs else Model())
    return job.name.removeprefix("jobs/")


def take(connection: redis.Redis, job_id: str, worker: str = "w") -> Attempt:
    attempt = part_jobs.take(connection, worker)
    assert attempt is not None
    assert attempt.job_id == job_id
    return attempt


def let_leases_run_out(connection: redis.Redis) -> None:
    now, _ = connection.time()
    leases: Any = connection.zrange(KEYS["leases"], 0, -1)
    for lease in leases:
        connection.zadd(KEYS["leases"], {lease: (now - 1) * 1000})


def forget_last_look(connection: redis.Redis, seconds: float) -> None:
    """Put the last look so far back as if Redis or all leaders had been away since."""
    connection.set(KEYS["looked"], int(connection.get(KEYS["looked"]) or 0) - int(seconds * 1000))


def events(connection: redis.Redis, job_id: str) -> list[str | None]:
    entries = read_log(connection, job_id, 0, 100).entries
    return [JobEvent.FromString(entry.event).WhichOneof("event") for entry in entries]


def test_a_silent_attempt_is_lost_and_its_writes_refused(connection: redis.Redis, reconciler: Reconciler) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id)
    reconciler.tick()
    assert not attempt.renew()  # with a lease nothing happens to it
    let_leases_run_out(connection)
    reconciler.tick()
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    with pytest.raises(StaleAttemptError):
        attempt.report(JobEvent())
    assert ready(connection) == 1
    assert take(connection, job_id).number == 2
    assert events(connection, job_id) == ["queued", "attempt_started", "attempt_lost", "queued", "attempt_started"]


def test_a_lease_that_is_renewed_in_time_saves_the_attempt(connection: redis.Redis, reconciler: Reconciler) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id)
    for _ in range(3):
        let_leases_run_out(connection)
        assert not attempt.renew()
        reconciler.tick()
    assert events(connection, job_id) == ["queued", "attempt_started"]


def test_after_an_outage_an_attempt_gets_the_time_of_a_lease(connection: redis.Redis, reconciler: Reconciler) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id)
    let_leases_run_out(connection)
    forget_last_look(connection, 60)
    reconciler.tick()
    assert not attempt.renew()
    let_leases_run_out(connection)
    reconciler.tick()  # once
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    assert LEASE_MS == 5_000


def test_after_an_outage_leases_that_are_about_to_run_out_last_longer_too(
    connection: redis.Redis, reconciler: Reconciler
) -> None:
    attempt = take(connection, create(connection))
    lease = f"{attempt.job_id}|0"
    connection.zadd(KEYS["leases"], {lease: connection.time()[0] * 1000 + 1500})
    forget_last_look(connection, 60)
    reconciler.tick()
    assert (connection.zscore(KEYS["leases"], lease) or 0) / 1000 - connection.time()[0] > LEASE_MS / 1000 - 2


def test_a_clock_that_was_set_back_does_not_prolong_leases(connection: redis.Redis, reconciler: Reconciler) -> None:
    attempt = take(connection, create(connection))
    lease, ahead = f"{attempt.job_id}|0", 1000 * (connection.time()[0] + 600)
    connection.zadd(KEYS["leases"], {lease: ahead + LEASE_MS})
    connection.set(KEYS["looked"], ahead)  # a replica with another clock was promoted, and the worker is dead
    reconciler.tick()
    assert (connection.zscore(KEYS["leases"], lease) or 0) / 1000 - connection.time()[0] <= LEASE_MS / 1000 + 1
    let_leases_run_out(connection)
    reconciler.tick()
    assert take(connection, attempt.job_id, "other").number == 2


def test_a_clock_that_was_set_back_keeps_nobody_waiting(connection: redis.Redis, reconciler: Reconciler) -> None:
    take(connection, create(connection), "hangs")
    ahead = 1000 * (connection.time()[0] + 600)
    for name in ("tickets", "woken", "waiting"):
        connection.zadd(key(name, "cpu"), {"of then": ahead})
    connection.zadd(KEYS["cancelling"], {"job": ahead})
    connection.zadd(KEYS["outrun"], {"nonce|hangs": ahead})
    connection.set(KEYS["looked"], ahead)
    reconciler.tick()
    create(connection)
    WorkerStore(connection).report(WorkerReport(name="idle", device="cpu", idle=True))
    assert top_up_tickets(connection) == 1
    for name in ("cancelling", "outrun"):
        ((_, time_ms),) = cast("list[tuple[bytes, float]]", connection.zrange(KEYS[name], 0, -1, withscores=True))
        assert time_ms / 1000 - connection.time()[0] <= CANCEL_GRACE_MS / 1000 + 1


def test_the_executor_of_a_silent_attempt_is_killed(connection: redis.Redis, reconciler: Reconciler) -> None:
    take(connection, create(connection), "hangs")
    let_leases_run_out(connection)
    reconciler.tick()
    assert part_jobs.is_to_be_killed(connection, "hangs")
    assert part_jobs.is_to_be_killed(connection, "hangs")  # the first reply may have been lost
    mark_holder_lost(connection, "hangs", "cpu", "SIGKILL")
    assert not part_jobs.is_to_be_killed(connection, "hangs")


def test_a_kill_record_goes_with_an_executor_whose_end_is_unknown(
    connection: redis.Redis, reconciler: Reconciler
) -> None:
    take(connection, create(connection), "hangs")
    let_leases_run_out(connection)
    reconciler.tick()
    WorkerStore(connection).report(WorkerReport(name="hangs", device="cpu", idle=True))
    assert not part_jobs.is_to_be_killed(connection, "hangs")


def test_an_executor_that_stopped_by_itself_in_the_end_is_not_killed(
    connection: redis.Redis, reconciler: Reconciler
) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id, "late")
    JobStore(connection).request_cancel(f"jobs/{job_id}")
    connection.zadd(KEYS["cancelling"], {job_id: 1})
    reconciler.tick()
    attempt.cancelled()
    assert not part_jobs.is_to_be_killed(connection, "late")


def test_only_the_executor_whose_job_is_asked_to_stop_is_killed(
    connection: redis.Redis, reconciler: Reconciler
) -> None:
    first = part_jobs.create(connection, 2, priority=Priority.PRIORITY_HIGH)
    held = [part_jobs.claim(connection, first, part, worker) for part, worker in enumerate("ab")]
    other = part_jobs.create(connection, 1)
    part_jobs.claim(connection, other, 0, "c")
    JobStore(connection).request_cancel(first.name)
    reconciler.tick()
    assert not any(part_jobs.is_to_be_killed(connection, worker) for worker in "abc")  # it has time
    grace = connection.zscore(KEYS["cancelling"], held[0].job_id) or 0
    assert grace - connection.time()[0] * 1000 == pytest.approx(CANCEL_GRACE_MS, abs=1500)
    held[0].cancelled()
    connection.zadd(KEYS["cancelling"], {held[0].job_id: 1})
    reconciler.tick()
    assert [part_jobs.is_to_be_killed(connection, worker) for worker in "abc"] == [False, True, False]


def test_an_executor_that_has_another_part_by_now_is_not_killed(
    connection: redis.Redis, reconciler: Reconciler
) -> None:
    job_id = create(connection)
    take(connection, job_id, "slow")
    let_leases_run_out(connection)
    reconciler.tick()
    take(connection, job_id, "slow")
    assert not part_jobs.is_to_be_killed(connection, "slow")


def test_an_executor_that_does_not_stop_when_asked_is_killed(connection: redis.Redis, reconciler: Reconciler) -> None:
    job_id = create(connection)
    attempt = take(connection, job_id, "w")
    JobStore(connection).request_cancel(f"jobs/{job_id}")
    reconciler.tick()
    assert not part_jobs.is_to_be_killed(connection, "w")
    connection.zadd(KEYS["cancelling"], {job_id: 1})
    reconciler.tick()
    assert attempt.renew()  # it is asked to
    assert part_jobs.is_to_be_killed(connection, "w")
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_CANCELLED
    assert connection.zcard(KEYS["cancelling"]) == 0


def test_attempts_that_keep_dying_fail_the_job(connection: redis.Redis) -> None:
    job_id = create(connection)
    waiter = create(connection, needs=f"models/{job_id}")
    for number in range(1, MAX_DEATHS + 1):
        assert take(connection, job_id).number == number
        assert mark_holder_lost(connection, "w", "cpu", "SIGSEGV")
    job = JobStore(connection).get(f"jobs/{job_id}")
    assert job.state == JobState.JOB_STATE_FAILED
    assert job.failure.reason == Failure.REASON_WORKER_LOST
    assert "SIGSEGV" in job.failure.message
    assert ModelStore(connection).get(f"models/{job_id}").state == ModelState.MODEL_STATE_FAILED
    assert JobStore(connection).get(f"jobs/{waiter}").state == JobState.JOB_STATE_FAILED
    assert events(connection, job_id).count("attempt_lost") == MAX_DEATHS


def test_a_part_that_is_given_back_has_not_died(connection: redis.Redis) -> None:
    job_id = create(connection)
    for _ in range(MAX_DEATHS - 1):
        take(connection, job_id)
        mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    for _ in range(2 * MAX_DEATHS):
        take(connection, job_id).release()
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_QUEUED
    take(connection, job_id)
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")  # nor does giving it back forgive
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_FAILED


def test_progress_that_is_kept_forgives_earlier_deaths(connection: redis.Redis) -> None:
    job_id = create(connection)
    for _ in range(3 * MAX_DEATHS):
        take(connection, job_id).report(JobEvent(), kept=1)
        mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_QUEUED


def test_a_job_that_was_asked_to_stop_is_not_tried_again(connection: redis.Redis) -> None:
    job_id = create(connection)
    take(connection, job_id)
    JobStore(connection).request_cancel(f"jobs/{job_id}")
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert JobStore(connection).get(f"jobs/{job_id}").state == JobState.JOB_STATE_CANCELLED
    assert ready(connection) == 0


def test_only_the_holder_can_lose_a_part(connection: redis.Redis) -> None:
    job_id = create(connection)
    take(connection, job_id, "first").release()
    second = take(connection, job_id, "second")
    assert not mark_holder_lost(connection, "first", "cpu", "SIGKILL")
    assert not second.renew()


def test_waiters_that_were_not_settled_are(connection: redis.Redis, reconciler: Reconciler) -> None:
    job_id = create(connection)
    waiter = create(connection, needs=f"models/{job_id}")
    take(connection, job_id).succeed("", Model())  # and the executor died before it could release the jobs that wait
    reconciler.tick()
    assert take(connection, waiter).needs == job_id
    assert connection.scard(KEYS["unsettled"]) == 0


def test_those_that_wait_for_a_model_of_a_chosen_id_fail_with_its_last_attempt(connection: redis.Redis) -> None:
    jobs = JobStore(connection)
    training, _ = jobs.create(JobSpec(train=TrainSpec()), request_digest="d", model=Model(), model_id="mine")
    waiter = create(connection, needs="models/mine")
    for _ in range(MAX_DEATHS):
        take(connection, training.name.removeprefix("jobs/"))
        mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert jobs.get(f"jobs/{waiter}").state == JobState.JOB_STATE_FAILED


def test_one_leads_and_another_takes_over(connection: redis.Redis, reconciler: Reconciler) -> None:
    job_id = create(connection)
    take(connection, job_id)
    let_leases_run_out(connection)
    second = Reconciler(connection, period_s=0)
    second.tick()
    assert ready(connection) == 0
    reconciler.resign()
    second.tick()
    assert ready(connection) == 1


def test_a_dead_leader_is_followed(connection: redis.Redis) -> None:
    first, second = (Reconciler(connection, period_s=0, lead_ms=50) for _ in range(2))
    first.tick()
    take(connection, create(connection))
    let_leases_run_out(connection)
    deadline = time.monotonic() + 10
    while not ready(connection) and time.monotonic() < deadline:
        second.tick()
    assert ready(connection) == 1


def test_the_death_of_a_leader_is_no_outage(connection: redis.Redis, reconciler: Reconciler) -> None:
    del reconciler  # it is dead
    take(connection, create(connection))
    due = connection.zrange(KEYS["leases"], 0, -1, withscores=True)
    connection.delete(KEYS["leader"])
    forget_last_look(connection, LEAD_MS / 1000 + 1.2)  # workers look once a second
    Reconciler(connection, period_s=0).tick()
    assert connection.zrange(KEYS["leases"], 0, -1, withscores=True) == due


def test_a_look_costs_the_same_however_many_jobs_wait(connection: redis.Redis, reconciler: Reconciler) -> None:
    def commands() -> int:
        before: Any = connection.info("stats")
        reconciler.tick()
        after: Any = connection.info("stats")
        return int(after["total_commands_processed"]) - int(before["total_commands_processed"])

    few = commands()
    for _ in range(50):
        create(connection)
    assert commands() == few


def test_a_look_that_finds_nothing_is_a_single_call(connection: redis.Redis, reconciler: Reconciler) -> None:
    take(connection, create(connection))  # it runs
    WorkerStore(connection).report(WorkerReport(name="idle", device="cpu", idle=True))
    connection.config_resetstat()
    reconciler.tick()
    assert connection.info("commandstats")["cmdstat_evalsha"]["calls"] == 1


def test_ended_jobs_are_in_no_index_that_the_reconciler_reads(connection: redis.Redis) -> None:
    job_id = create(connection)
    take(connection, job_id).cancelled()
    for state in ("waiting", "queued", "running"):
        assert connection.zcard(key("jobs_in_state", state)) == 0
    assert connection.zrange(key("jobs_in_state", "cancelled"), 0, -1) == [job_id.encode()]


def test_blobs_are_counted_by_what_refers_to_them(connection: redis.Redis) -> None:
    first, second = create(connection), create(connection)
    for job_id, own in ((first, "a"), (second, "b")):
        attempt = take(connection, job_id)
        attempt.report(JobEvent(), "shared")
        attempt.report(JobEvent(), "shared")
        attempt.succeed(own, Model(digest=Digest(sha256=f"model {own}")), history="history")
    counted: Any = connection.hgetall(KEYS["references"])
    counts = {name.decode(): int(count) for name, count in counted.items()}
    assert counts == {"shared": 2, "a": 1, "b": 1, "model a": 1, "model b": 1, "history": 2}
    for name in (first, second):
        JobStore(connection).delete(f"jobs/{name}")
        ModelStore(connection).delete(f"models/{name}")
    while part_jobs.take_apart(connection):
        pass
    assert connection.hgetall(KEYS["references"]) == {}
    unreferenced: Any = connection.zrange(KEYS["unreferenced"], 0, -1)
    assert {digest.decode() for digest in unreferenced} == set(counts)
