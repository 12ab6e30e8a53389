"""Faults that an earlier version had: each test says what should happen."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import redis

from convscope.store import (
    Attempt,
    BlobStore,
    Checkpoint,
    Claimant,
    Collector,
    Deployment,
    ExecutorState,
    JobStore,
    ModelStore,
    Reconciler,
    Sweeper,
    WorkerReport,
    WorkerStore,
    make_ticket,
    read_log,
    settle_waiters,
)
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import BlobDamagedError, StaleAttemptError
from convscope.store.jobs import jobs
from convscope.store.jobs.lost_attempts import mark_holder_lost
from convscope.store.redis.keys import KEYS, key
from convscope.v1.digest_pb2 import Digest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.part_jobs import image, ready

# Older than any time for which the sweep spares what was written lately, in seconds.
LONG_AGO_S = 7200


def put_long_ago(blobs: BlobStore, tmp_path: Path, data: bytes) -> str:
    digest = blobs.put(data)
    then = time.time() - LONG_AGO_S
    os.utime(next(tmp_path.rglob(digest)), (then, then))
    return digest


def create(connection: redis.Redis, **more: Any) -> Job:
    spec = more.pop("spec", JobSpec(train=TrainSpec()))
    model = Model() if spec.HasField("train") else None
    return JobStore(connection).create(spec, request_digest="d", model=model, **more)[0]


def claim(connection: redis.Redis, job: Job, worker: str = "w", blobs: BlobStore | None = None) -> Attempt:
    attempt = Attempt.claim(connection, Claimant(worker=worker), blobs)
    assert attempt is not None
    assert f"jobs/{attempt.job_id}" == job.name
    return attempt


def trained(connection: redis.Redis, file: str, result: str = "r") -> Job:
    job = create(connection)
    claim(connection, job).succeed(result, Model(digest=Digest(sha256=file)))
    return job


# --- Two holders after lost writes


def step(number: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=number, last_step=1000))


@contextmanager
def forgetting(connection: redis.Redis) -> Iterator[None]:
    """Have Redis forget what is written within a ``with`` block."""
    kept = {name: (connection.dump(name), max(0, connection.pttl(name))) for name in connection.keys("*")}
    yield
    connection.flushall()
    for name, (value, left_ms) in kept.items():
        assert value is not None
        connection.restore(name, left_ms, value)


@pytest.fixture
def holders(connection: redis.Redis) -> tuple[Job, Attempt, Attempt]:
    """A part whose first claim Redis has lost, so that another worker has claimed it, too."""
    job = create(connection)
    with forgetting(connection):
        first = claim(connection, job, worker="first")
    return job, first, claim(connection, job, worker="second")


def steps(connection: redis.Redis, job: Job) -> list[int]:
    entries = read_log(connection, job.name.removeprefix("jobs/"), 0, 100).entries
    events = [JobEvent.FromString(entry.event) for entry in entries]
    return [event.train_progress.step for event in events if event.HasField("train_progress")]


@pytest.mark.parametrize(
    "write", [lambda attempt: attempt.report(step(100)), lambda attempt: attempt.renew()], ids=["report", "renew"]
)
def test_a_holder_whose_claim_was_lost_writes_nothing(
    holders: tuple[Job, Attempt, Attempt], write: Callable[[Attempt], object]
) -> None:
    with pytest.raises(StaleAttemptError):
        write(holders[1])


def try_to(write: Callable[[], object]) -> None:
    try:
        write()
    except StaleAttemptError:
        return


def test_no_write_is_taken_for_that_of_another_holder(
    connection: redis.Redis, holders: tuple[Job, Attempt, Attempt]
) -> None:
    job, first, second = holders
    try_to(lambda: first.report(step(100)))
    second.report(step(1))
    assert steps(connection, job) == [1]


def test_no_end_is_taken_for_a_write_of_another_holder(
    connection: redis.Redis, holders: tuple[Job, Attempt, Attempt]
) -> None:
    job, first, second = holders
    try_to(lambda: first.report(step(100)))
    second.succeed("r", Model(digest=Digest(sha256="f")))
    assert JobStore(connection).get(job.name).state == JobState.JOB_STATE_SUCCEEDED


def test_a_holder_whose_writes_were_lost_leaves_no_gap(connection: redis.Redis) -> None:
    job = create(connection)
    holder = claim(connection, job)
    holder.report(step(1))
    with forgetting(connection):
        holder.report(step(2))
    with pytest.raises(StaleAttemptError):
        holder.report(step(3))
    assert steps(connection, job) == [1]
    assert holder.abandon()
    again = claim(connection, job)
    again.report(step(2))
    assert not holder.abandon()
    assert steps(connection, job) == [1, 2]


def test_a_holder_whose_reused_images_were_lost_does_not_succeed_without_them(connection: redis.Redis) -> None:
    training = trained(connection, "f", "")
    spec = KINDS["visualize"](training.model)
    before = claim(connection, create(connection, spec=spec, needs=training.model))
    before.report_images([image(0, "blob")], kept=1)
    before.succeed("r")
    job = create(connection, spec=spec, needs=training.model)
    holder = claim(connection, job)
    with forgetting(connection):
        assert holder.reuse_cached([image(0)]) == {0}
    try_to(lambda: holder.succeed("r"))
    succeeded = JobStore(connection).get(job.name).state == JobState.JOB_STATE_SUCCEEDED
    assert connection.hlen(key("images", job.name.removeprefix("jobs/"))) == succeeded


# --- Blobs that jobs need


KINDS = {
    "train": lambda model: JobSpec(train=TrainSpec(continue_from=model)),
    "evaluate": lambda model: JobSpec(evaluate=EvaluateSpec(model=model)),
    "visualize": lambda model: JobSpec(visualize=VisualizeSpec(model=model)),
}


def collect(connection: redis.Redis, blobs: BlobStore) -> None:
    """Delete what nothing refers to, and what was not written lately."""
    collector = Collector(connection, blobs)
    while connection.llen(KEYS["trash"]) or connection.zcard(KEYS["unreferenced"]):
        collector.tick(patience_ms=0)
    Sweeper(connection, blobs).sweep()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claimed", [False, True])
def test_a_models_file_is_kept_from_a_jobs_creation_to_its_end(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path, kind: str, claimed: bool
) -> None:
    file = put_long_ago(blobs, tmp_path, b"model")
    training = trained(connection, file)
    job = create(connection, spec=KINDS[kind](training.model), needs=training.model)
    attempt = claim(connection, job) if claimed else None
    ModelStore(connection).delete(training.model)
    collect(connection, blobs)
    assert blobs.get(file) == b"model"
    (attempt or claim(connection, job)).fail(Failure(message="it failed"))
    collect(connection, blobs)
    with pytest.raises(BlobDamagedError):
        blobs.get(file)


class Raced(BlobStore):
    """A store in which something happens between the decision to delete and the deletion, or after it."""

    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None

    def delete(self, digests: Any) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()
        super().delete(digests)
        after, self.after = self.after, None
        if after is not None:
            after()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_written_and_referred_to_during_a_sweep_stays(
    connection: redis.Redis, tmp_path: Path, when: str
) -> None:
    blobs = Raced(tmp_path.as_uri())
    Deployment(connection, blobs.objects).join()
    attempt = claim(connection, create(connection), blobs=blobs)
    digest = put_long_ago(blobs, tmp_path, b"state")
    attempt.put(b"state")
    put_long_ago(blobs, tmp_path, b"state")
    writers = []

    def save() -> None:
        """Begin to refer to it; that waits until the file is struck off."""
        writers.append(Thread(target=lambda: attempt.save_checkpoint(Checkpoint(100, digest)), daemon=True))
        writers[0].start()
        writers[0].join(0.2)

    setattr(blobs, when, save)
    Sweeper(connection, blobs).sweep()
    writers[0].join(20)
    assert connection.hget(KEYS["references"], digest) == b"1"
    assert blobs.get(digest) == b"state"


# --- Attempts


def test_a_continued_training_resumes_though_its_model_was_deleted(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convscope.worker.executor import convert, models
    from convscope.worker.executor import train as training
    from convscope.worker.executor.context import AttemptContext, StopRequest
    from convscope.worker.executor.lease import LeaseKeeper

    class TrainsError(Exception):
        """Shows that the training gets this far."""

    def train(*_: object, **settings: Any) -> None:
        raise TrainsError(settings["checkpoints"].resume)

    parent = trained(connection, blobs.put(b"model"))
    job = create(connection, spec=KINDS["train"](parent.model), needs=parent.model)
    first = claim(connection, job, blobs=blobs)
    first.save_checkpoint(Checkpoint(90_000, first.put(b"state")))
    ModelStore(connection).delete(parent.model)
    mark_holder_lost(connection, "w", "cpu", "the machine died")
    second = claim(connection, job, blobs=blobs)
    monkeypatch.setattr(training, "load_dataset", lambda _: None)
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(convert, "train_settings", lambda spec: spec)
    monkeypatch.setattr(models, "model_from_bytes", lambda file: file)
    lease = LeaseKeeper(second, None)  # type: ignore[arg-type]  # it is not started
    with pytest.raises(TrainsError, match="90000"):
        training.run_training(AttemptContext(connection, second, blobs, lease, StopRequest()))


class Watched(redis.Redis):
    """A connection on which something happens before the n-th command."""

    before: tuple[int, Callable[[], object]] | None = None

    @property
    def happened(self) -> bool:
        """Return whether that many commands have come."""
        return self.before is None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.before is not None:
            left, act = self.before
            self.before = (left - 1, act) if left > 1 else None
            if left == 1:
                act()
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py has no types for it


@pytest.fixture
def watched(redis_server: EmbeddedRedis, connection: redis.Redis) -> Iterator[Watched]:
    connection.ping()
    with closing(Watched.from_url(redis_server.url)) as watched:
        assert isinstance(watched, Watched)
        yield watched


def test_a_claim_sees_the_checkpoint_that_was_written_just_before(
    connection: redis.Redis, watched: Watched, blobs: BlobStore
) -> None:
    for number in range(1, 10):
        job = create(connection)
        first = claim(connection, job, blobs=blobs)

        def drain(first: Attempt = first) -> None:
            first.save_checkpoint(Checkpoint(90_000, first.put(b"state")))
            first.release()

        watched.before = (number, drain)
        second = Attempt.claim(watched, Claimant(worker="second"))
        if not watched.happened:
            assert number > 1, "the claim sends no command"
            return
        if second is not None:
            assert [checkpoint.step for checkpoint in second.checkpoints] == [90_000]


# --- What must not take long


def test_deleting_a_large_job_holds_no_client_up(connection: redis.Redis, blobs: BlobStore) -> None:
    job = create(connection)
    JobStore(connection).request_cancel(job.name)
    job_id, count = job.name.removeprefix("jobs/"), 100_000
    for start in range(0, count, 10_000):
        digests = [f"{number:064x}" for number in range(start, start + 10_000)]
        connection.sadd(key("job_blobs", job_id), *digests)
        connection.hset(KEYS["references"], mapping=dict.fromkeys(digests, 1))
    taken = [seconds_of(connection, lambda: JobStore(connection).delete(job.name))]
    while connection.llen(KEYS["trash"]):
        taken.append(seconds_of(connection, Collector(connection, blobs).tick))
    assert max(taken) < 0.1
    assert connection.hlen(KEYS["references"]) == 0


def seconds_of(connection: redis.Redis, call: Callable[[], object]) -> float:
    """Return for how long Redis' main thread, which answers all clients, works at a call, without other processes."""

    def worked() -> float:
        usage: Any = connection.info("cpu")
        return float(usage["used_cpu_user_main_thread"]) + float(usage["used_cpu_sys_main_thread"])

    before = worked()
    call()
    return worked() - before


def test_many_jobs_that_wait_for_one_model_are_queued(connection: redis.Redis) -> None:
    first = create(connection)
    for _ in range(100):
        create(connection, spec=KINDS["evaluate"](first.model), needs=first.model)
    claim(connection, first).succeed("r", Model(digest=Digest(sha256="f")))
    settle_waiters(connection, first.name.removeprefix("jobs/"))
    assert ready(connection) == 100
    assert connection.hget(KEYS["references"], "f") == b"101"  # the model, and the jobs that waited


def test_a_long_chain_of_waiting_jobs_fails_with_the_first(connection: redis.Redis) -> None:
    first = last = create(connection)
    for _ in range(600):
        last = create(connection, spec=KINDS["train"](last.model), needs=last.model)
    attempt = claim(connection, first)
    attempt.fail(Failure(message="it failed"))
    settle_waiters(connection, attempt.makes)
    assert JobStore(connection).get(last.name).state == JobState.JOB_STATE_FAILED


def commands_of_a_look(connection: redis.Redis) -> int:
    reconciler = Reconciler(connection)
    before = connection.info("stats")["total_commands_processed"]
    reconciler.tick()
    after = connection.info("stats")["total_commands_processed"]
    reconciler.resign()
    return int(after) - int(before)


def test_jobs_that_wait_cost_the_reconciler_nothing(connection: redis.Redis) -> None:
    counts = []
    for count in (10, 300):
        for _ in range(count):
            create(connection)
        counts.append(commands_of_a_look(connection))
    assert counts[1] < counts[0] + 30


# --- The kill of a process that does not stop


def is_to_be_killed(connection: redis.Redis, worker: str) -> bool:
    """Ask what a worker asks at every heartbeat."""
    state = WorkerStore(connection).report(WorkerReport(name=worker, device="cpu", idle=False))
    return state is ExecutorState.TO_KILL


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give jobs no time to stop by themselves."""
    monkeypatch.setattr(jobs, "CANCEL_GRACE_MS", 0)


def look(connection: redis.Redis) -> None:
    connection.delete(KEYS["leader"])
    reconciler = Reconciler(connection)
    reconciler.tick()
    reconciler.resign()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("others", [[], ["part"], ["part", "end"], ["ticket"]])
def test_a_kill_arrives_whatever_others_do(connection: redis.Redis, others: list[str]) -> None:
    training = trained(connection, "f", "")
    job = create(connection, spec=KINDS["visualize"](training.model), needs=training.model, parts=5)
    held = claim(connection, job, worker="second")
    other = claim(connection, job, worker="first") if "part" in others else None
    if other and "end" in others:
        other.finish()
    if "ticket" in others:
        make_ticket(connection, "cpu")
    assert not is_to_be_killed(connection, "second")
    JobStore(connection).request_cancel(job.name)
    look(connection)
    assert is_to_be_killed(connection, "second")
    held.cancelled()


@pytest.mark.usefixtures("at_once")
def test_a_kill_that_is_not_heard_at_once_is_heard_later(connection: redis.Redis) -> None:
    job = create(connection)
    claim(connection, job, worker="second")
    JobStore(connection).request_cancel(job.name)
    for _ in range(3):
        look(connection)
    assert is_to_be_killed(connection, "second")
