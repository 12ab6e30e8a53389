"""A write whose reply is lost is sent again, but done once."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from chaos.network import Cut, Link
from chaos.parts import RedisPart
from convscope.store import JobStore, connect_patiently
from convscope.store.redis.keys import KEYS
from convscope.v1.jobs_pb2 import Job, JobEvent, JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from support.part_jobs import claim, kinds

# Nothing here takes longer, in seconds.
PATIENCE_S = 10


@pytest.fixture
def far(link: Link) -> Iterator[redis.Redis]:
    """A worker's connection, through the link."""
    with connect_patiently(f"redis://127.0.0.1:{link.port}/0") as far:
        yield far


def with_its_reply_lost(link: Link, done: Callable[[], bool], write: Callable[[], object]) -> None:
    """Have a write done whose first reply gets lost."""
    link.cut(Cut.MUTE)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "the write did not arrive"
        time.sleep(0.01)
    link.heal()
    writer.join(PATIENCE_S)
    assert not writer.is_alive()


def create(store: JobStore) -> Job:
    spec = JobSpec(train=TrainSpec(dataset="datasets/mnist"))
    return store.create(spec, request_digest="d", model=Model(dataset="datasets/mnist"))[0]


def test_an_event_comes_once(server: RedisPart, link: Link, far: redis.Redis) -> None:
    store = JobStore(server.connection)
    job = create(store)
    attempt = claim(far, job)
    attempt.report(JobEvent(train_progress=TrainProgress(step=1)))
    with_its_reply_lost(
        link,
        lambda: store.get(job.name).sequence == 4,
        lambda: attempt.report(JobEvent(train_progress=TrainProgress(step=2))),
    )
    attempt.report(JobEvent(train_progress=TrainProgress(step=3)))
    assert kinds(server.connection, job) == ["queued", "attempt_started", *["train_progress"] * 3]


def test_an_end_is_no_surprise(server: RedisPart, link: Link, far: redis.Redis) -> None:
    store = JobStore(server.connection)
    claim(far, create(store)).cancelled()  # so that Redis knows the script, and its absence is not the reply
    job = create(store)
    attempt = claim(far, job)
    failures = []

    def cancelled() -> None:
        try:
            attempt.cancelled()
        except Exception as error:  # noqa: BLE001 - whatever it is, the writer must not see it
            failures.append(error)

    with_its_reply_lost(link, lambda: store.get(job.name).HasField("end_time"), cancelled)
    assert failures == []
    assert kinds(server.connection, job) == ["queued", "attempt_started", "finished"]


def test_a_job_is_made_once(server: RedisPart, link: Link, far: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[Job] = []
    # The reply that gets lost must be neither that to asking for the script nor that to asking for the time.
    create(JobStore(far))
    monkeypatch.setattr(far, "time", server.connection.time)
    before = server.connection.zcard(KEYS["jobs"])
    near = JobStore(server.connection)

    def cancel_it() -> bool:
        """Wait until it is there, and have the attempt continue meanwhile."""
        if server.connection.zcard(KEYS["jobs"]) == before:
            return False
        near.request_cancel(next(near.walk()).name)
        return True

    with_its_reply_lost(link, cancel_it, lambda: created.append(create(JobStore(far))))
    (job,) = created
    assert near.get(job.name).state == JobState.JOB_STATE_CANCELLED
    assert kinds(server.connection, job) == ["queued", "cancel_requested", "finished"]
