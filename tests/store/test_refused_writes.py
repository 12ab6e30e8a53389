"""A Redis that takes no writes is like one that is away: an error within seconds, or waited for."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from convscope.store import JobStore, WritesRefusedError, check_writes, connect_patiently, connect_promptly, make_ticket
from convscope.store.embedded import EmbeddedRedis
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.train_pb2 import TrainSpec


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path_factory.mktemp("r")).running() as server:
        yield server


@pytest.fixture
def admin(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with contextlib.closing(redis.Redis.from_url(server.url)) as connection:
        yield connection


@contextlib.contextmanager
def replica(admin: redis.Redis, _: Path) -> Iterator[None]:
    admin.replicaof("127.0.0.1", 1)  # where no server is
    yield
    admin.replicaof("no", "one")


@contextlib.contextmanager
def without_replicas(admin: redis.Redis, _: Path) -> Iterator[None]:
    admin.config_set("min-replicas-to-write", 1)
    yield
    admin.config_set("min-replicas-to-write", 0)


@contextlib.contextmanager
def without_memory(admin: redis.Redis, _: Path) -> Iterator[None]:
    admin.config_set("maxmemory", 1)
    yield
    admin.config_set("maxmemory", 0)


@contextlib.contextmanager
def without_disk(admin: redis.Redis, directory: Path) -> Iterator[None]:
    before = admin.config_get("dir")["dir"]
    directory.mkdir()
    admin.config_set("dir", str(directory))
    directory.rmdir()
    admin.config_set("save", "3600 1")
    admin.bgsave()
    while admin.info("persistence")["rdb_last_bgsave_status"] != "err":
        pass
    yield
    admin.config_set("save", "")
    admin.config_set("dir", str(before))


Trouble = Callable[[redis.Redis, Path], contextlib.AbstractContextManager[None]]
TROUBLES: dict[str, Trouble] = {
    "READONLY": replica,
    "NOREPLICAS": without_replicas,
    "OOM": without_memory,
    "MISCONF": without_disk,
}


def submit(connection: redis.Redis) -> None:
    """Write by a script, by single commands, and by RQ's transaction."""
    JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d")
    make_ticket(connection, "cpu")


@pytest.mark.parametrize("word", TROUBLES)
def test_a_client_in_a_hurry_is_refused(server: EmbeddedRedis, admin: redis.Redis, tmp_path: Path, word: str) -> None:
    prompt = connect_promptly(server.url)
    check_writes(prompt)
    submit(prompt)
    calls: list[Callable[[], object]] = [
        lambda: submit(prompt),
        lambda: make_ticket(prompt, "cpu"),
        lambda: prompt.set("key", 1),
    ]
    calls += [] if word == "OOM" else [lambda: check_writes(prompt)]
    with TROUBLES[word](admin, tmp_path / "gone"):
        for call in calls:
            with pytest.raises(WritesRefusedError, match=f"takes no writes: .*{word} "):
                call()
    submit(prompt)
    prompt.close()


@pytest.mark.parametrize("word", TROUBLES)
def test_a_patient_client_waits(server: EmbeddedRedis, admin: redis.Redis, tmp_path: Path, word: str) -> None:
    patient, done = connect_patiently(server.url), threading.Event()
    with TROUBLES[word](admin, tmp_path / "gone"):
        thread = threading.Thread(target=_submit_and_tell, args=(patient, done))
        thread.start()
        assert not done.wait(0.3)
    assert done.wait(30)
    thread.join()
    patient.close()


def test_other_errors_stay_what_they_are(server: EmbeddedRedis, admin: redis.Redis) -> None:
    admin.set("READONLY text", "MISCONF text")
    prompt = connect_promptly(server.url)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        prompt.hget("READONLY text", "x")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        prompt.incr("READONLY text")
    prompt.close()


def _submit_and_tell(connection: redis.Redis, done: threading.Event) -> None:
    submit(connection)
    done.set()
