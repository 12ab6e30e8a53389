"""An executor ends, between two parts, before it holds too much; another one takes over."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from convscope.engine.runtime.caches import Caches
from convscope.store import JobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import JobSpec, JobState
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.worker.executor import process
from convscope.worker.executor.process import Executor
from convscope.worker.settings import WorkerSettings

GIB = 2**30


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """Leave the handlers of signals as they were."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def run(
    connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Return a function that gives an executor four jobs, and returns how many of them it computed."""
    monkeypatch.setenv("RQ_WORKER_ID", "w")
    jobs = JobStore(connection)
    names = [
        jobs.create(JobSpec(train=TrainSpec(dataset="datasets/none")), request_digest="d", model=Model())[0].name
        for _ in range(4)
    ]

    def run(memory: int = 100 * GIB, most_parts: int = 100) -> int:
        store = StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=tmp_path.as_uri())
        settings = WorkerSettings(memory=memory, keep_warm_s=0)
        Executor(store, settings, connection, most_parts=most_parts).run()
        return sum(jobs.get(name).state == JobState.JOB_STATE_FAILED for name in names)

    return run


def test_it_ends_when_there_is_nothing_to_compute(run: Callable[..., int]) -> None:
    assert run() == 4


def test_it_ends_after_so_many_parts(run: Callable[..., int]) -> None:
    assert run(most_parts=3) == 3


def test_it_ends_after_a_part_where_its_memory_is_over_the_bound(run: Callable[..., int]) -> None:
    assert run(memory=1) == 1  # it computes one, else none would ever be


def test_caches_are_emptied_first(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[None] = []
    monkeypatch.setattr(process, "resident_memory", lambda: 3 * GIB - len(emptied) * 2 * GIB)
    clear = Caches.clear

    def counted(caches: Caches) -> None:
        emptied.append(None)
        clear(caches)

    monkeypatch.setattr(Caches, "clear", counted)
    assert run(memory=2 * GIB) == 4
    assert len(emptied) == 1


@dataclass
class Kept:
    """What takes memory in a cache."""

    size_bytes: int


def test_what_was_used_least_recently_goes_first(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    caches = Caches()
    for name in "abc":
        caches.get(name, lambda: Kept(GIB))
    monkeypatch.setattr(process, "Caches", lambda: caches)
    monkeypatch.setattr(process, "resident_memory", lambda: 2 * GIB + caches.size_bytes)
    assert run(memory=4 * GIB) == 4
    assert list(caches) == ["b", "c"]
    caches.get("b", lambda: Kept(GIB))
    run(memory=3 * GIB)
    assert list(caches) == ["b"]
