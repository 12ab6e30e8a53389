"""Which part is next: by priority, then owners by fair share, then jobs in turn; and which executor is woken for it."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from convscope.store import (
    Attempt,
    Claimant,
    JobStore,
    Scripts,
    WorkerReport,
    WorkerStore,
    mark_holder_lost,
    top_up_tickets,
)
from convscope.store.jobs.attempts import SLACK_S
from convscope.store.jobs.lost_attempts import mark_attempt_lost
from convscope.store.jobs.tickets import EXECUTOR_FUNCTION, TICKET_PREFIX, queue_name
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import LateAttempt
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import Priority
from support.part_jobs import claim, create, ready, ready_model, take

HIGH, NORMAL, LOW = Priority.PRIORITY_HIGH, Priority.PRIORITY_NORMAL, Priority.PRIORITY_LOW


def name(attempt: Attempt | None) -> str:
    return f"jobs/{attempt.job_id}" if attempt else ""


def takes(connection: redis.Redis, count: int, **claimant: Any) -> list[str]:
    """Return the names of the jobs of the parts that come next, while none of them ends."""
    return [name(take(connection, f"w{number}", **claimant)) for number in range(count)]


def woken(connection: redis.Redis, worker: str) -> bool:
    return bool(connection.exists(key("wake", worker)))


def test_parts_come_in_order_and_those_that_came_back_first(connection: redis.Redis) -> None:
    job = create(connection, 4)
    first, second = claim(connection, job, 0, "a"), claim(connection, job, 1, "b")
    second.release()
    assert claim(connection, job, 1, "c").number == 2
    first.release()
    assert [take(connection, worker).part for worker in "def"] == [0, 2, 3]  # type: ignore[union-attr]
    assert take(connection) is None


def test_the_more_urgent_job_is_first(connection: redis.Redis) -> None:
    low, normal, high = (create(connection, 1, priority=priority) for priority in (LOW, NORMAL, HIGH))
    assert takes(connection, 3) == [high.name, normal.name, low.name]


def test_a_device_takes_its_own_and_what_any_takes(connection: redis.Redis) -> None:
    gpu, either = create(connection, 1, device=Device.DEVICE_GPU), create(connection, 1)
    assert takes(connection, 2) == [either.name, ""]
    assert name(take(connection, device="gpu")) == gpu.name


def test_owners_get_equal_shares_however_many_jobs_they_have(connection: redis.Redis) -> None:
    many = {create(connection, 10, owner="ann").name for _ in range(5)}
    create(connection, 30, owner="bob")
    counts = Counter(taken in many for taken in takes(connection, 20))
    assert counts == {True: 10, False: 10}


def test_shares_are_of_work_not_of_parts(connection: redis.Redis) -> None:
    long = create(connection, 20, owner="ann", cost_s=3.0)
    create(connection, 60, owner="bob", cost_s=1.0)
    counts = Counter(takes(connection, 40))
    assert counts[long.name] == pytest.approx(10, abs=1)


def test_a_new_owner_neither_waits_nor_makes_others_wait(connection: redis.Redis) -> None:
    old = create(connection, 100, owner="ann")
    takes(connection, 50)
    new = create(connection, 100, owner="bob")
    taken = takes(connection, 20)
    assert new.name in taken[:2]
    assert Counter(taken)[old.name] == pytest.approx(10, abs=1)


@pytest.mark.parametrize("owners", [("ann", "bob", "carol"), ("ann", "ann", "ann")])
def test_a_new_owner_is_not_put_ahead_by_what_runs_on_another_device(
    connection: redis.Redis, owners: tuple[str, str, str]
) -> None:
    cpu, gpu = Device.DEVICE_CPU, Device.DEVICE_GPU
    create(connection, 5, device=gpu, owner=owners[1])
    old = create(connection, 200, device=cpu, owner=owners[0])
    takes(connection, 100)
    take(connection, "g", "gpu")  # which has had far less
    new = create(connection, 100, device=cpu, owner=owners[2])
    taken = Counter(takes(connection, 20))
    assert taken[old.name] == pytest.approx(10, abs=1)
    assert taken[new.name] == pytest.approx(10, abs=1)


def test_an_owner_that_comes_back_gets_nothing_for_the_time_away(connection: redis.Redis) -> None:
    first = create(connection, 1, owner="ann")
    create(connection, 200, owner="bob")
    assert first.name in takes(connection, 2)
    takes(connection, 100)
    back = create(connection, 100, owner="ann")
    assert Counter(takes(connection, 20))[back.name] == pytest.approx(10, abs=1)


def test_an_owner_that_has_had_much_still_has_after_a_pause(connection: redis.Redis) -> None:
    ann, bob = create(connection, 1, owner="ann", cost_s=50.0), create(connection, 200, owner="bob")
    assert ann.name in takes(connection, 2)
    create(connection, 100, owner="ann")
    assert set(takes(connection, 20)) == {bob.name}


def test_the_more_urgent_is_first_whatever_is_warm_or_has_had_more(connection: redis.Redis) -> None:
    last = claim(connection, create(connection, 5, owner="ann")).job_id
    high = create(connection, 60, priority=HIGH, owner="bob", cost_s=100.0)
    assert takes(connection, 10, last_job=last) == [high.name] * 10


def test_a_warm_model_is_preferred_of_one_owner_only(connection: redis.Redis) -> None:
    model = ready_model(connection)
    other, warm = create(connection, 9, owner="ann"), create(connection, 9, owner="bob", model=model)
    takes(connection, 2)  # both have begun
    taken = takes(connection, 8, loaded=["file"])
    assert Counter(taken) == {other.name: 4, warm.name: 4}


def test_jobs_of_an_owner_take_turns(connection: redis.Redis) -> None:
    jobs = [create(connection, 10).name for _ in range(3)]
    taken = takes(connection, 9)
    assert Counter(taken) == dict.fromkeys(jobs, 3)


def test_what_a_part_really_took_is_charged(connection: redis.Redis) -> None:
    dear, cheap = create(connection, 50, owner="ann", cost_s=9.0), create(connection, 50, owner="bob", cost_s=1.0)
    first = {name(attempt): attempt for attempt in (take(connection, "a"), take(connection, "b")) if attempt}
    first[dear.name].finish()  # at once: its estimate was wrong
    first[cheap.name].finish()
    assert Counter(takes(connection, 4)) == {dear.name: 1, cheap.name: 3}  # only what has ended is known


def test_an_executor_stays_with_its_job_for_a_turn(connection: redis.Redis) -> None:
    first, second = create(connection, 50, cost_s=3.0), create(connection, 50, cost_s=3.0)
    takes(connection, 2)
    taken, last = [], first.name.removeprefix("jobs/")
    for number in range(20):
        attempt = take(connection, f"x{number}", last_job=last)
        assert attempt is not None
        last = attempt.job_id
        taken.append(name(attempt))
    changes = sum(before != after for before, after in pairwise(taken))
    assert 1 <= changes <= 7  # of 19, were it not for the turn
    assert abs(Counter(taken)[first.name] - Counter(taken)[second.name]) * 3.0 <= 2 * SLACK_S


def test_a_job_that_has_had_nothing_is_not_kept_waiting_by_turns(connection: redis.Redis) -> None:
    large = create(connection, 50)
    last = claim(connection, large).job_id
    small = [create(connection, 1).name for _ in range(3)]
    taken = [name(take(connection, f"x{number}", last_job=last)) for number in range(6)]
    assert taken[0] == small[0]
    assert taken[1] == large.name  # nor do newcomers keep the other one waiting without end
    assert set(taken[:5]) == {large.name, *small}


def test_a_model_that_is_loaded_is_preferred_within_the_slack(connection: redis.Redis) -> None:
    models = [ready_model(connection) for _ in range(2)]
    for model, file in zip(models, ("file-a", "file-b"), strict=True):
        connection.hset(key("model", model.removeprefix("models/")), "file", file)
    jobs = [create(connection, 30, model=model, cost_s=4.0).name for model in models]
    takes(connection, 2)  # both have begun
    taken = takes(connection, 10, loaded=["file-b"])
    assert taken[:2] == [jobs[1]] * 2
    assert jobs[0] in taken[:5]  # and not beyond it


def test_a_claim_that_is_sent_again_is_answered_alike(connection: redis.Redis) -> None:
    job = create(connection, 3)
    scripts, claimant = Scripts(connection), Claimant(worker="w")
    first = scripts.claim(claimant, nonce="n", lease_ms=5000, slack_s=0)
    again = scripts.claim(claimant, nonce="n", lease_ms=5000, slack_s=0)
    assert first is not None
    assert again is not None
    assert (first.job_id, first.part, first.number) == (again.job_id, again.part, again.number)
    assert JobStore(connection).get(job.name).sequence == 2  # queued, started: once
    assert ready(connection) == 2


def test_a_claim_that_is_sent_again_after_the_attempt_was_lost_finds_nothing(connection: redis.Redis) -> None:
    create(connection, 1)
    scripts, claimant = Scripts(connection), Claimant(worker="w")
    assert scripts.claim(claimant, nonce="n", lease_ms=5000, slack_s=0)
    mark_holder_lost(connection, "w", "cpu", "SIGKILL")
    assert scripts.claim(claimant, nonce="n", lease_ms=5000, slack_s=0) is None


def test_an_executor_without_a_part_waits_and_is_woken(connection: redis.Redis) -> None:
    assert take(connection, "w", wait_ms=10_000) is None
    assert not woken(connection, "w")
    create(connection, 1)
    assert woken(connection, "w")
    assert take(connection, "w", wait_ms=10_000) is not None


def test_as_many_are_woken_as_there_are_parts(connection: redis.Redis) -> None:
    workers = [f"w{number}" for number in range(4)]
    for worker in workers:
        take(connection, worker, wait_ms=10_000)
    create(connection, 3)
    assert sum(woken(connection, worker) for worker in workers) == 3


def test_only_executors_of_the_device_are_woken(connection: redis.Redis) -> None:
    take(connection, "c", wait_ms=10_000)
    take(connection, "g", "gpu", wait_ms=10_000)
    create(connection, 1, device=Device.DEVICE_GPU)
    assert (woken(connection, "c"), woken(connection, "g")) == (False, True)


def test_the_executor_with_the_model_loaded_is_woken_first(connection: redis.Redis) -> None:
    model = ready_model(connection)
    take(connection, "cold", wait_ms=10_000)
    take(connection, "warm", wait_ms=10_000, loaded=["file"])
    take(connection, "other", wait_ms=10_000, loaded=["elif"])
    create(connection, 1, model=model)
    assert [worker for worker in ("cold", "warm", "other") if woken(connection, worker)] == ["warm"]


def test_of_all_devices_the_executor_with_the_model_loaded_is_woken_first(connection: redis.Redis) -> None:
    model = ready_model(connection)
    take(connection, "cold", "cpu", wait_ms=10_000)
    take(connection, "warm", "gpu", wait_ms=10_000, loaded=["file"])
    create(connection, 1, model=model)
    assert [worker for worker in ("cold", "warm") if woken(connection, worker)] == ["warm"]


def test_waking_one_costs_the_same_however_many_wait(connection: redis.Redis) -> None:
    calls = []
    model = ready_model(connection)
    for count in (100, 400):
        for worker in range(count):
            take(connection, str(worker), wait_ms=10_000)
        connection.config_resetstat()
        job = create(connection, 1, model=model)
        calls.append(sum(int(stats["calls"]) for stats in connection.info("commandstats").values()))
        JobStore(connection).request_cancel(job.name)
    assert calls[1] < calls[0] + 10


def test_an_executor_that_is_called_is_not_called_again(connection: redis.Redis) -> None:
    for worker in "ab":
        take(connection, worker, wait_ms=10_000)
    for _ in range(3):
        create(connection, 1)
    assert [connection.llen(key("wake", worker)) for worker in "ab"] == [1, 1]


def test_an_executor_without_a_part_is_noted_as_waiting_in_the_same_step(connection: redis.Redis) -> None:
    take(connection, "waits", wait_ms=10_000, loaded=["f"])
    take(connection, "does not")
    assert connection.zrange(key("waiting", "cpu"), 0, -1) == [b"waits"]
    assert connection.hgetall(KEYS["warm"]) == {b"waits": b"f"}
    create(connection, 1)
    connection.delete(key("wake", "waits"))  # it has heard the call
    assert take(connection, "is faster") is not None
    assert take(connection, "waits", wait_ms=10_000) is None
    assert connection.zcard(key("woken", "cpu")) == 0
    assert connection.zcard(key("waiting", "cpu")) == 1


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_call_that_was_heard_by_an_executor_that_dies_is_passed_on(connection: redis.Redis, device: str) -> None:
    model = ready_model(connection)
    take(connection, "other", device, wait_ms=10_000)
    take(connection, "dies", "cpu", wait_ms=10_000, loaded=["file"])
    create(connection, 1, model=model)
    assert connection.blpop([key("wake", "dies")], timeout=1)
    assert not woken(connection, "other")
    mark_holder_lost(connection, "dies", "cpu", "SIGKILL")
    assert woken(connection, "other")


def test_an_executor_that_waited_too_long_is_not_counted_on(connection: redis.Redis) -> None:
    take(connection, "gone", wait_ms=10_000)
    connection.zadd(key("waiting", "cpu"), {"gone": 1})
    take(connection, "there", wait_ms=10_000)
    create(connection, 1)
    assert (woken(connection, "gone"), woken(connection, "there")) == (False, True)


def test_a_part_that_comes_back_wakes_another(connection: redis.Redis) -> None:
    create(connection, 1)
    attempt = take(connection, "a")
    take(connection, "b", wait_ms=10_000)
    assert attempt is not None
    attempt.release()
    assert woken(connection, "b")


@pytest.mark.parametrize("how", ["leaves", "dies"])
def test_a_call_for_an_executor_that_is_gone_is_passed_on(connection: redis.Redis, how: str) -> None:
    for worker in ("other", "was"):
        take(connection, worker, wait_ms=10_000)
    create(connection, 1)
    assert woken(connection, "was")  # the executor that came last is warmest
    if how == "leaves":
        Scripts(connection).run("leave", "was", "cpu")
    else:
        mark_holder_lost(connection, "was", "cpu", "SIGKILL")
    assert not woken(connection, "was")
    assert woken(connection, "other")


def idle(connection: redis.Redis, *workers: str, device: str = "cpu") -> None:
    for worker in workers:
        WorkerStore(connection).report(WorkerReport(name=worker, device=device, idle=True))


def test_tickets_are_for_ready_parts_and_idle_workers(connection: redis.Redis) -> None:
    create(connection, 5)
    assert top_up_tickets(connection) == 0
    idle(connection, "a", "b")
    assert top_up_tickets(connection) == 2
    assert top_up_tickets(connection) == 0  # they are on their way
    idle(connection, "c", "d", "e", "f", "g", "h")
    assert top_up_tickets(connection) == 3


def test_a_ticket_has_no_content(connection: redis.Redis) -> None:
    idle(connection, "a")
    create(connection, 1)
    queue = Queue(queue_name("cpu"), connection=connection, serializer=JSONSerializer)
    (ticket,) = queue.jobs
    assert (ticket.func_name, ticket.args, ticket.kwargs) == (EXECUTOR_FUNCTION, [], {})
    assert ticket.retries_left is None  # RQ never makes another one of it
    assert 0 < ticket.ttl <= 10


def test_tickets_run_out(connection: redis.Redis) -> None:
    idle(connection, "a")
    create(connection, 1)
    tickets: Any = connection.zrange(key("tickets", "cpu"), 0, -1)
    assert len(tickets) == 1  # creating a job makes them
    connection.zadd(key("tickets", "cpu"), {tickets[0]: 1})
    assert top_up_tickets(connection) == 1


def test_a_ticket_that_was_taken_does_not_stand_for_another(connection: redis.Redis) -> None:
    idle(connection, "a", "b")
    create(connection, 1)
    tickets: Any = connection.zrange(key("tickets", "cpu"), 0, -1)
    report = WorkerReport(name="a", device="cpu", idle=False, ticket=f"{TICKET_PREFIX}{tickets[0].decode()}")
    WorkerStore(connection).report(report)
    assert take(connection, "a") is not None
    create(connection, 1)
    assert connection.zcard(key("tickets", "cpu")) == 1


def test_no_ticket_is_made_for_a_part_that_an_executor_was_woken_for(connection: redis.Redis) -> None:
    take(connection, "warm", wait_ms=10_000)
    idle(connection, "cold")
    create(connection, 1)
    assert top_up_tickets(connection) == 0
    create(connection, 1)
    assert connection.zcard(key("tickets", "cpu")) == 1


def test_workers_are_idle_for_as_long_as_they_say_so(connection: redis.Redis) -> None:
    idle(connection, "silent", "busy", "leaving")
    connection.zadd(key("idle", "cpu"), {"silent": 1})
    WorkerStore(connection).report(WorkerReport(name="busy", device="cpu", idle=False))
    WorkerStore(connection).forget("leaving", "cpu")
    create(connection, 5)
    assert connection.zcard(key("tickets", "cpu")) == 0


def test_an_attempt_that_is_lost_twice_is_lost_once(connection: redis.Redis) -> None:
    create(connection, 1)
    attempt = take(connection, "w")
    assert attempt is not None
    late = LateAttempt(attempt.job_id, 0, 1, attempt.nonce, "w")
    assert mark_attempt_lost(connection, late, "x")
    assert not mark_attempt_lost(connection, late, "x")
    assert ready(connection) == 1
