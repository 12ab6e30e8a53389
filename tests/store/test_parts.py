"""Jobs of many parts: a few are on a queue at a time, each is fenced by itself, and the last one ends the job."""

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.store import Attempt, JobStore, ResultWanted, dispatch, keys, lose_holder, open_queue
from convscope.store.errors import StaleAttemptError
from convscope.store.losses import MAX_DEATHS
from convscope.store.queue import queued_parts
from convscope.v1.jobs_pb2 import Device, Failure, Job, JobEvent, JobState, Priority
from convscope.v1.train_pb2 import TrainProgress
from store.part_jobs import CPU, claim, create, image, kinds, take

SUCCEEDED, FAILED = JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED
CANCELLED, QUEUED, RUNNING = JobState.JOB_STATE_CANCELLED, JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING
PROGRESS = JobEvent(train_progress=TrainProgress(step=1))


def waiting(connection: redis.Redis, job: Job) -> list[int]:
    """Parts of the job that are on a queue."""
    return sorted(part for job_id, part in queued_parts(connection) if f"jobs/{job_id}" == job.name)


def pop(connection: redis.Redis) -> int:
    """Take the first part off the queue, as a worker does."""
    entry: bytes = connection.lpop(open_queue(connection).key)  # type: ignore[assignment]
    return int(entry.decode().partition("-")[2])


def state(connection: redis.Redis, job: Job) -> JobState.ValueType:
    return JobStore(connection).get(job.name).state


def test_one_part_waits_at_a_time(connection: redis.Redis) -> None:
    job = create(connection, 5)
    assert waiting(connection, job) == [0]
    for part in range(4):
        assert pop(connection) == part
        claim(connection, job, part, f"worker {part}")
        assert waiting(connection, job) == [part + 1]
    assert pop(connection) == 4
    claim(connection, job, 4, "worker 4")
    assert waiting(connection, job) == []
    assert kinds(connection, job) == ["queued", *["attempt_started"] * 5]


def test_the_last_part_ends_the_job_with_its_result(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempts = [claim(connection, job, part) for part in range(3)]
    assert not attempts[1].finish().ended
    assert not attempts[2].finish().ended
    assert JobStore(connection).get(job.name).parts_done == 2
    with pytest.raises(ResultWanted):
        attempts[0].finish()
    assert not attempts[0].renew()  # nothing has changed
    assert attempts[0].succeed("result").ended
    ended = JobStore(connection).get(job.name)
    assert (ended.state, ended.parts, ended.parts_done) == (SUCCEEDED, 3, 3)
    assert kinds(connection, job)[-1] == "finished"
    assert connection.exists(keys.parts_key(job.name.removeprefix("jobs/"))) == 0


def test_parts_are_fenced_one_by_one(connection: redis.Redis) -> None:
    job = create(connection, 2)
    first, other = claim(connection, job, 0), claim(connection, job, 1)
    assert first.hand_back()
    again = claim(connection, job, 0)
    assert again.number == 2
    with pytest.raises(StaleAttemptError):
        first.report(PROGRESS)
    with pytest.raises(StaleAttemptError):
        first.finish()
    again.report(PROGRESS)
    other.report(PROGRESS)
    again.finish()
    with pytest.raises(StaleAttemptError):
        again.report(PROGRESS)
    assert take(connection, job, 0) is None  # what is done is not done again
    other.succeed("")
    assert state(connection, job) == SUCCEEDED


def test_a_job_runs_until_nobody_computes_it_any_more(connection: redis.Redis) -> None:
    job = create(connection, 3)
    first, second = claim(connection, job, 0, "a"), claim(connection, job, 1, "b")
    assert first.hand_back()
    assert state(connection, job) == RUNNING
    lose_holder(connection, first.job_id, 1, "b", "SIGKILL")
    assert state(connection, job) == QUEUED
    with pytest.raises(StaleAttemptError):
        second.renew()
    assert kinds(connection, job) == ["queued", "attempt_started", "attempt_started", "attempt_lost", "queued"]


def test_a_failure_ends_the_job_for_all(connection: redis.Redis) -> None:
    job = create(connection, 4)
    first, second = claim(connection, job, 0), claim(connection, job, 1)
    first.fail(Failure(message="it broke"))
    assert state(connection, job) == FAILED
    for write in (second.renew, second.finish, lambda: second.report(PROGRESS), second.cancelled):
        with pytest.raises(StaleAttemptError):
            write()
    assert take(connection, job, 2) is None
    assert second.next_part(CPU) is None
    assert kinds(connection, job)[-1] == "finished"


def test_a_cancelled_job_ends_when_the_last_part_has_stopped(connection: redis.Redis) -> None:
    job = create(connection, 9)
    first, second, third = (claim(connection, job, part, str(part)) for part in range(3))
    assert JobStore(connection).request_cancel(job.name).state == RUNNING
    assert first.renew()
    assert take(connection, job, 3) is None
    assert first.next_part(CPU) is None
    assert not first.cancelled().ended
    assert not second.finish().ended  # it was faster
    lose_holder(connection, first.job_id, 2, "2", "SIGKILL")
    assert state(connection, job) == CANCELLED
    with pytest.raises(StaleAttemptError):
        third.renew()
    assert kinds(connection, job)[-3:] == ["cancel_requested", "attempt_lost", "finished"]


def test_a_part_that_is_done_ends_a_cancelled_job_if_it_was_the_last_to_run(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempt = claim(connection, job)
    JobStore(connection).request_cancel(job.name)
    assert attempt.finish().ended
    assert state(connection, job) == CANCELLED


def test_a_job_between_two_parts_is_cancelled_at_once(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempt = claim(connection, job)
    attempt.finish()
    assert state(connection, job) == RUNNING
    assert JobStore(connection).request_cancel(job.name).state == CANCELLED
    assert attempt.next_part(CPU) is None
    assert take(connection, job, 1) is None


def test_deaths_are_counted_by_part(connection: redis.Redis) -> None:
    job = create(connection, 2)
    job_id = job.name.removeprefix("jobs/")
    for _ in range(MAX_DEATHS - 1):
        for part in (0, 1):
            claim(connection, job, part, f"w{part}")
            lose_holder(connection, job_id, part, f"w{part}", "SIGKILL")
    assert state(connection, job) == QUEUED
    claim(connection, job, 1).report_images([image(1, "blob")], 1)  # it gets further
    lose_holder(connection, job_id, 1, "w", "SIGKILL")
    assert state(connection, job) == QUEUED
    claim(connection, job, 0)
    lose_holder(connection, job_id, 0, "w", "SIGSEGV")
    failed = JobStore(connection).get(job.name)
    assert failed.state == FAILED
    assert "died 5 times, last SIGSEGV" in failed.failure.message


def test_whatever_part_a_dead_horse_held_is_lost(connection: redis.Redis) -> None:
    job = create(connection, 5)
    job_id = job.name.removeprefix("jobs/")
    claim(connection, job, 0, "w").finish()
    other = claim(connection, job, 1, "other")
    held = claim(connection, job, 2, "w", entry=f"{job_id}-0")
    lose_holder(connection, job_id, 0, "w", "SIGKILL")  # which RQ knows by the part that it was forked for
    with pytest.raises(StaleAttemptError):
        held.renew()
    assert not other.renew()
    assert 2 in waiting(connection, job)


def test_a_warm_horse_goes_on_with_its_own_job(connection: redis.Redis) -> None:
    job = create(connection, 4)
    attempt = claim(connection, job, pop(connection))
    done = []
    for _ in range(3):
        attempt.finish()
        done.append(attempt.part)
        part = attempt.next_part(CPU)
        assert part is not None
        attempt = claim(connection, job, part)
    assert [*done, attempt.part] == [0, 1, 2, 3]
    attempt.succeed("")
    assert attempt.next_part(CPU) is None
    assert connection.keys("rq:job:*") == [f"rq:job:{attempt.job_id}-0".encode()]  # which RQ removes by itself


def test_a_warm_horse_makes_way_for_others(connection: redis.Redis) -> None:
    job, other = create(connection, 4), create(connection, 1)
    attempt = claim(connection, job, pop(connection))
    attempt.finish()
    assert attempt.next_part(CPU) is None  # the other job's part came first
    assert waiting(connection, job) == [1]
    assert waiting(connection, other) == [0]


def test_a_warm_horse_takes_what_no_queue_has(connection: redis.Redis) -> None:
    job = create(connection, 4)
    attempt = claim(connection, job, pop(connection))
    assert pop(connection) == 1  # by another worker, which has not claimed it yet
    attempt.finish()
    assert attempt.next_part(CPU) == 2
    claim(connection, job, 1, "other")
    claim(connection, job, 2)
    assert waiting(connection, job) == [3]


def test_entries_that_are_out_of_date_are_passed_over(connection: redis.Redis) -> None:
    job = create(connection, 3)
    attempt = claim(connection, job, pop(connection))
    dispatch(connection, attempt.job_id, 0)  # once more, by somebody who did not know better
    attempt.finish()
    assert attempt.next_part(CPU) == 1
    assert attempt.next_part(CPU) == 2


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
    assert attempt.next_part(CPU) == 1  # the other one is not for this worker
    attempt = claim(connection, job, 1)
    create(connection, 1, priority=Priority.PRIORITY_NORMAL)
    attempt.finish()
    assert attempt.next_part(CPU) is None


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
            assert attempt.hand_back()
            dispatch(self.connection, attempt.job_id, attempt.part)
        elif what == "dies":
            lose_holder(self.connection, attempt.job_id, 0, worker, "SIGKILL")
        else:
            self._end(attempt)
            part = attempt.next_part(CPU) if what == "goes on" else None
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
