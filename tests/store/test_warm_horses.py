"""Horses that go on from part to part: with their own job, and only while nobody else is kept waiting by it."""

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.store import Attempt, ResultWanted, dispatch, mark_holder_lost, open_queue
from convscope.store.jobs.queue import queued_parts
from convscope.v1.jobs_pb2 import Device, JobState, Priority
from support.part_jobs import CPU, claim, create, pop, state, take, waiting

SUCCEEDED, FAILED = JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED


def test_a_warm_horse_goes_on_with_its_own_job(connection: redis.Redis) -> None:
    job = create(connection, 4)
    attempt = claim(connection, job, pop(connection))
    done = []
    for _ in range(3):
        attempt.finish()
        done.append(attempt.part)
        part = attempt.next_part(queue_keys(CPU))
        assert part is not None
        attempt = claim(connection, job, part)
    assert [*done, attempt.part] == [0, 1, 2, 3]
    attempt.succeed("")
    assert attempt.next_part(queue_keys(CPU)) is None
    assert connection.keys("rq:job:*") == [f"rq:job:{attempt.job_id}-0".encode()]  # which RQ removes by itself


def test_a_warm_horse_makes_way_for_others(connection: redis.Redis) -> None:
    job, other = create(connection, 4), create(connection, 1)
    attempt = claim(connection, job, pop(connection))
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) is None  # the other job's part came first
    assert waiting(connection, job) == [1]
    assert waiting(connection, other) == [0]


def test_a_warm_horse_takes_what_no_queue_has(connection: redis.Redis) -> None:
    job = create(connection, 4)
    attempt = claim(connection, job, pop(connection))
    assert pop(connection) == 1  # by another worker, which has not claimed it yet
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) == 2
    claim(connection, job, 1, "other")
    claim(connection, job, 2)
    assert waiting(connection, job) == [3]


def test_entries_that_are_out_of_date_are_passed_over(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempt = claim(connection, job, pop(connection))
    dispatch(connection, attempt.job_id, 0)  # once more, by somebody who did not know better
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) == 1
    assert attempt.next_part(queue_keys(CPU)) == 2


def test_queues_are_by_priority_and_device(connection: redis.Redis) -> None:
    names = {
        (priority, device): create(
            connection, 2, priority=Priority.Value(f"PRIORITY_{priority}"), device=Device.Value(f"DEVICE_{device}")
        )
        for priority in ("LOW", "NORMAL", "HIGH")
        for device in ("ANY", "CPU", "GPU")
    }
    for (priority, device), job in names.items():
        queue = open_queue(connection, priority.lower(), device.lower())
        assert [each.args[0] for each in queue.jobs] == [job.name.removeprefix("jobs/")]
        assert (job.priority, job.device) == (Priority.Value(f"PRIORITY_{priority}"), Device.Value(f"DEVICE_{device}"))
    assert [
        f"convscope-{priority}-{device}" for priority in ("high", "normal", "low") for device in ("cpu", "any")
    ] == CPU
    assert len(queued_parts(connection)) == 9


def test_a_warm_horse_of_a_low_job_makes_way_for_a_higher_one(connection: redis.Redis) -> None:
    job = create(connection, 3, priority=Priority.PRIORITY_LOW)
    attempt = claim(connection, job)
    create(connection, 1, priority=Priority.PRIORITY_HIGH, device=Device.DEVICE_GPU)
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) == 1  # the other one is not for this worker
    attempt = claim(connection, job, 1)
    create(connection, 1, priority=Priority.PRIORITY_NORMAL)
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) is None


@pytest.mark.parametrize("device", [Device.DEVICE_ANY, Device.DEVICE_CPU])
def test_a_warm_horse_goes_on_while_only_lower_jobs_wait(connection: redis.Redis, device: Device.ValueType) -> None:
    job = create(connection, 4)
    attempt = claim(connection, job)
    create(connection, 1, priority=Priority.PRIORITY_LOW, device=device)
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) == 1  # from the job's own queue
    claim(connection, job, 1, "other").finish()
    connection.delete(open_queue(connection).key)
    assert attempt.next_part(queue_keys(CPU)) == 3  # which is on no queue: another worker has taken part 2
    create(connection, 1, device=device)
    assert attempt.next_part(queue_keys(CPU)) is None


@pytest.mark.parametrize(
    ("own", "other"), [(Device.DEVICE_CPU, Device.DEVICE_ANY), (Device.DEVICE_ANY, Device.DEVICE_CPU)]
)
def test_a_warm_horse_makes_way_for_a_job_on_the_other_queue_of_its_priority(
    connection: redis.Redis, own: Device.ValueType, other: Device.ValueType
) -> None:
    job = create(connection, 4, device=own)
    attempt = claim(connection, job)
    small = create(connection, 1, device=other)
    attempt.finish()
    assert attempt.next_part(queue_keys(CPU)) is None
    assert 1 in waiting(connection, job)
    assert waiting(connection, small) == [0]


class Crew:
    """Three workers that share a job."""

    def __init__(self, connection: redis.Redis, parts: int) -> None:
        self.connection = connection
        self.job = create(connection, parts)
        self.held: dict[str, Attempt] = {}
        self.done: list[int] = []

    def take(self, worker: str) -> None:
        if len(open_queue(self.connection)):
            self._claim(worker, pop(self.connection))

    def step(self, worker: str, what: str) -> None:
        attempt = self.held.pop(worker, None)
        if attempt is None:
            self.take(worker)
        elif what == "gives back":
            assert attempt.release()
            dispatch(self.connection, attempt.job_id, attempt.part)
        elif what == "dies":
            mark_holder_lost(self.connection, attempt.job_id, 0, worker, "SIGKILL")
        else:
            self._end(attempt)
            part = attempt.next_part(queue_keys(CPU)) if what == "goes on" else None
            if part is not None:
                self._claim(worker, part)

    def _claim(self, worker: str, part: int) -> None:
        attempt = take(self.connection, self.job, part, worker)
        if attempt is not None:
            self.held[worker] = attempt

    def _end(self, attempt: Attempt) -> None:
        self.done.append(attempt.part)
        try:
            attempt.finish()
        except ResultWanted:
            attempt.succeed("")


STEPS = st.tuples(st.sampled_from("abc"), st.sampled_from(["gives back", "dies", "goes on", "ends"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 6), st.lists(STEPS, max_size=40))
def test_whatever_happens_each_part_is_done_once(
    connection: redis.Redis, parts: int, steps: list[tuple[str, str]]
) -> None:
    connection.flushall()
    crew = Crew(connection, parts)
    for worker, what in steps:
        crew.step(worker, what)
        if state(connection, crew.job) == FAILED:
            return  # by too many deaths
    for number in range(4 * parts):
        crew.step("abc"[number % 3], "ends")
    assert sorted(crew.done) == list(range(parts))
    assert state(connection, crew.job) == SUCCEEDED
    assert waiting(connection, crew.job) == []
    assert queued_parts(connection) == set()
