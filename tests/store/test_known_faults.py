"""Faults that are known and not mended yet: each test says what should be, and fails until it is."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from convscope.store import (
    Attempt,
    BlobStore,
    Checkpoint,
    JobStore,
    ModelStore,
    Reconciler,
    Sweeper,
    dispatch,
    queue_names,
    read_log,
    settle_waiters,
)
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import NotFoundError, StaleAttemptError
from convscope.store.jobs.losses import lose_attempt
from convscope.store.jobs.queue import carrier, open_queue, stop_part
from convscope.store.redis import keys
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec

# Older than any time for which the sweep spares what was written lately, in seconds.
LONG_AGO_S = 7200


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path.as_uri())


def put_long_ago(blobs: BlobStore, tmp_path: Path, data: bytes) -> str:
    digest = blobs.put(data)
    then = time.time() - LONG_AGO_S
    os.utime(next(tmp_path.rglob(digest)), (then, then))
    return digest


def create(connection: redis.Redis, **more: Any) -> Job:
    spec = more.pop("spec", JobSpec(train=TrainSpec()))
    model = Model() if spec.HasField("train") else None
    return JobStore(connection).create(spec, request_digest="d", model=model, **more)[0]


def claim(connection: redis.Redis, job: Job, part: int = 0, worker: str = "w") -> Attempt:
    job_id = job.name.removeprefix("jobs/")
    attempt = Attempt.claim(connection, job_id, part, worker=worker, environment={}, entry=carrier(job_id, part))
    assert attempt is not None
    return attempt


def trained(connection: redis.Redis, file: str, result: str = "r") -> Job:
    job = create(connection)
    claim(connection, job).succeed(result, Model(sha256=file))
    return job


# --- Two holders after lost writes


def step(number: int) -> JobEvent:
    return JobEvent(train_progress=TrainProgress(step=number, last_step=1000))


@contextmanager
def forgetting(connection: redis.Redis) -> Iterator[None]:
    """Have Redis forget what is written within a ``with`` block."""
    kept = {key: (connection.dump(key), max(0, connection.pttl(key))) for key in connection.keys("*")}
    yield
    connection.flushall()
    for key, (value, left_ms) in kept.items():
        assert value is not None
        connection.restore(key, left_ms, value)


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


@pytest.mark.xfail(strict=True, reason="the fence is a counter, which rolls back with Redis")
@pytest.mark.parametrize(
    "write", [lambda each: each.report(step(100)), lambda each: each.renew()], ids=["report", "renew"]
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


@pytest.mark.xfail(strict=True, reason="two holders of one number name their writes alike")
def test_no_write_is_taken_for_that_of_another_holder(
    connection: redis.Redis, holders: tuple[Job, Attempt, Attempt]
) -> None:
    job, first, second = holders
    try_to(lambda: first.report(step(100)))
    second.report(step(1))
    assert steps(connection, job) == [1]


@pytest.mark.xfail(strict=True, reason="two holders of one number name their writes alike")
def test_no_end_is_taken_for_a_write_of_another_holder(
    connection: redis.Redis, holders: tuple[Job, Attempt, Attempt]
) -> None:
    job, first, second = holders
    try_to(lambda: first.report(step(100)))
    second.succeed("r", Model(sha256="f"))
    assert JobStore(connection).get(job.name).state == JobState.JOB_STATE_SUCCEEDED


@pytest.mark.xfail(strict=True, reason="a holder whose claim is known goes on, though its last writes are not")
def test_a_holder_whose_writes_were_lost_leaves_no_gap(connection: redis.Redis) -> None:
    job = create(connection)
    holder = claim(connection, job)
    holder.report(step(1))
    with forgetting(connection):
        holder.report(step(2))
    try_to(lambda: holder.report(step(3)))
    assert steps(connection, job) in ([1], [1, 2, 3])


# --- Blobs that jobs need


KINDS = {
    "train": lambda model: JobSpec(train=TrainSpec(continue_from=model)),
    "evaluate": lambda model: JobSpec(evaluate=EvaluateSpec(model=model)),
    "visualize": lambda model: JobSpec(visualize=VisualizeSpec(model=model)),
}


@pytest.mark.xfail(strict=True, reason="a job keeps its model's file from its first attempt on, if at all")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claimed", [False, True])
def test_a_models_file_is_kept_from_a_jobs_creation_to_its_end(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path, kind: str, claimed: bool
) -> None:
    sweeper = Sweeper(connection, blobs)
    file = put_long_ago(blobs, tmp_path, b"model")
    training = trained(connection, file)
    job = create(connection, spec=KINDS[kind](training.model), needs=training.model)
    if claimed:
        claim(connection, job)
    sweeper.discard(ModelStore(connection).delete(training.model))
    sweeper.sweep()
    assert blobs.get(file) == b"model"


@pytest.mark.xfail(strict=True, reason="what is pointed to is not looked for")
def test_a_file_that_is_gone_cannot_be_kept(connection: redis.Redis, blobs: BlobStore, tmp_path: Path) -> None:
    sweeper = Sweeper(connection, blobs)
    file = put_long_ago(blobs, tmp_path, b"model")
    training = trained(connection, file)
    spec = KINDS["visualize"](training.model)
    attempt = claim(connection, create(connection, spec=spec, needs=training.model))
    sweeper.discard(ModelStore(connection).delete(training.model))
    attempt.keep_model(file)
    assert blobs.get(file) == b"model"


class Raced(BlobStore):
    """A store in which something happens between the decision to delete and the deletion."""

    between: Callable[[], object] | None = None

    def delete(self, digests: Any) -> None:
        between, self.between = self.between, None
        if between is not None:
            between()
        super().delete(digests)


@pytest.mark.xfail(strict=True, reason="the sweep looks and deletes in two steps")
@pytest.mark.parametrize("how", ["sweep", "discard"])
def test_what_is_written_and_pointed_to_during_a_sweep_stays(connection: redis.Redis, tmp_path: Path, how: str) -> None:
    blobs = Raced(tmp_path.as_uri())
    sweeper = Sweeper(connection, blobs)
    attempt = claim(connection, create(connection))
    digest = put_long_ago(blobs, tmp_path, b"state")
    blobs.between = lambda: attempt.save_checkpoint(Checkpoint(100, blobs.put(b"state")))
    if how == "sweep":
        sweeper.sweep()
    else:
        sweeper.discard([digest])
    assert connection.hget(keys.REFERENCES, digest) == b"1"
    assert blobs.get(digest) == b"state"


# --- Attempts


@pytest.mark.xfail(strict=True, raises=NotFoundError, reason="the model is loaded before the checkpoint is looked at")
def test_a_continued_training_resumes_though_its_model_was_deleted(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convscope.worker.executor import horse_jobs
    from convscope.worker.executor.horse_lease import LeaseKeeper
    from convscope.worker.executor.horse_report import Reporter, Wishes

    class TrainsError(Exception):
        """What is to be seen here is that it gets so far."""

    def train(*_: object, **settings: Any) -> None:
        raise TrainsError(settings["checkpoints"].resume)

    parent = trained(connection, blobs.put(b"model"))
    job = create(connection, spec=KINDS["train"](parent.model), needs=parent.model)
    first = claim(connection, job)
    first.save_checkpoint(Checkpoint(90_000, blobs.put(b"state")))
    ModelStore(connection).delete(parent.model)
    lose_attempt(connection, first.job_id, 0, first.number, "the machine died")
    second = claim(connection, job)
    monkeypatch.setattr(horse_jobs, "load_dataset", lambda _: None)
    monkeypatch.setattr(horse_jobs, "train", train)
    lease = LeaseKeeper(second, None)  # type: ignore[arg-type]  # it is not started
    with pytest.raises(TrainsError, match="90000"):
        horse_jobs.runners()["train"](Reporter(connection, second, blobs, lease, Wishes()))


class Watched(redis.Redis):
    """A connection on which something happens before the n-th command."""

    before: tuple[int, Callable[[], object]] | None = None

    @property
    def happened(self) -> bool:
        """Whether that many commands have come."""
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


@pytest.mark.xfail(strict=True, reason="a claim reads the record, then the part, then claims")
def test_a_claim_sees_the_checkpoint_that_was_written_just_before(
    connection: redis.Redis, watched: Watched, blobs: BlobStore
) -> None:
    for number in range(1, 10):
        job = create(connection)
        first = claim(connection, job)

        def drain(first: Attempt = first) -> None:
            first.save_checkpoint(Checkpoint(90_000, blobs.put(b"state")))
            first.hand_back()

        watched.before = (number, drain)
        second = Attempt.claim(watched, first.job_id, 0, worker="second", environment={})
        if not watched.happened:
            assert number > 1, "the claim sends no command"
            return
        if second is not None:
            assert [each.step for each in second.checkpoints] == [90_000]


# --- What must not take long


@pytest.mark.xfail(strict=True, reason="a job is deleted in one script, which looks at every blob")
def test_deleting_a_large_job_holds_nobody_up(connection: redis.Redis) -> None:
    job = create(connection)
    JobStore(connection).request_cancel(job.name)
    job_id, count = job.name.removeprefix("jobs/"), 100_000
    for start in range(0, count, 10_000):
        digests = [f"{number:064x}" for number in range(start, start + 10_000)]
        connection.sadd(keys.blobs_key(job_id), *digests)
        connection.hset(keys.REFERENCES, mapping=dict.fromkeys(digests, 1))
    connection.config_set("slowlog-log-slower-than", 50_000)
    connection.slowlog_reset()
    try:
        JobStore(connection).delete(job.name)
        assert connection.slowlog_get() == []
    finally:
        connection.config_set("slowlog-log-slower-than", 10_000)


@pytest.mark.xfail(strict=True, raises=RecursionError, reason="one call for each job of a chain")
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


@pytest.mark.xfail(strict=True, reason="the reconciler reads every job that has not ended")
def test_jobs_that_wait_cost_the_reconciler_nothing(connection: redis.Redis) -> None:
    found = []
    for count in (10, 300):
        for _ in range(count):
            dispatch(connection, create(connection).name.removeprefix("jobs/"))
        found.append(commands_of_a_look(connection))
    assert found[1] < found[0] + 30


# --- The kill of a process that does not stop


@pytest.fixture
def heard(connection: redis.Redis) -> Iterator[Callable[[], bool]]:
    """Whether a command has come to worker ``second`` since it was last asked."""
    with connection.pubsub() as ears:  # type: ignore[no-untyped-call]  # redis-py has no types for it
        ears.subscribe("rq:pubsub:second")
        ears.get_message(timeout=10)
        yield lambda: ears.get_message(ignore_subscribe_messages=True, timeout=0.2) is not None


def take_off(connection: redis.Redis, job: Job, part: int, worker: str) -> None:
    """Do what RQ does when a worker takes an entry off the queue, up to the fork."""
    queue = open_queue(connection)
    entry = carrier(job.name.removeprefix("jobs/"), part)
    connection.lrem(queue.key, 1, entry)
    with connection.pipeline() as pipeline:
        queue.fetch_job(entry).prepare_for_execution(worker, pipeline)
        pipeline.execute()


@pytest.mark.xfail(strict=True, reason="a second entry of a part shares the first one's record")
def test_a_kill_arrives_though_the_part_was_dispatched_again(
    connection: redis.Redis, heard: Callable[[], bool]
) -> None:
    job = create(connection)
    job_id = job.name.removeprefix("jobs/")
    dispatch(connection, job_id)
    take_off(connection, job, 0, "second")
    dispatch(connection, job_id)  # by the reconciler: it takes more than two seconds to claim
    claim(connection, job, worker="second")
    JobStore(connection).request_cancel(job.name)
    stop_part(connection, carrier(job_id, 0))
    assert heard()


@pytest.mark.xfail(strict=True, reason="a second entry of a part takes the first one's record along")
def test_a_kill_arrives_though_another_part_was_ended_meanwhile(
    connection: redis.Redis, heard: Callable[[], bool]
) -> None:
    training = trained(connection, "f", "")
    job = create(connection, spec=KINDS["visualize"](training.model), needs=training.model, parts=5, plan="p")
    job_id, queue = job.name.removeprefix("jobs/"), open_queue(connection)
    dispatch(connection, job_id)
    take_off(connection, job, 0, "second")
    dispatch(connection, job_id)
    claim(connection, job, worker="second")
    take_off(connection, job, 1, "first")
    other = claim(connection, job, 1, worker="first")
    other.finish()
    other.next_part(queue_names("cpu"))
    assert connection.llen(queue.key) <= 1
    JobStore(connection).request_cancel(job.name)
    stop_part(connection, carrier(job_id, 0))
    assert heard()


def test_a_kill_arrives(connection: redis.Redis, heard: Callable[[], bool]) -> None:
    """So that the two before it do not fail for another reason."""
    job = create(connection)
    dispatch(connection, job.name.removeprefix("jobs/"))
    take_off(connection, job, 0, "second")
    claim(connection, job, worker="second")
    assert not heard()
    stop_part(connection, carrier(job.name.removeprefix("jobs/"), 0))
    assert heard()


def test_an_empty_sweep_does_no_harm(connection: redis.Redis, blobs: BlobStore, tmp_path: Path) -> None:
    """Nor do those of blobs fail because files are never kept."""
    file = put_long_ago(blobs, tmp_path, b"model")
    trained(connection, file)
    assert Sweeper(connection, blobs).sweep(timedelta(0)) == 0
    assert blobs.get(file) == b"model"
