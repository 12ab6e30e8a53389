"""Redis forgets what was written within the time that is reported, and nothing before it."""

import time
from pathlib import Path

import pytest

from chaos.history import Loss
from chaos.lost_writes import Backup, Replica
from chaos.parts import RedisPart


@pytest.fixture
def primary(tmp_path: Path) -> RedisPart:
    primary = RedisPart(tmp_path)
    primary.start()
    primary.wait_until_ready()
    primary.connection.set("before", 1)
    return primary


def check(server: RedisPart, loss: Loss, written: float) -> None:
    try:
        server.wait_until_ready()
        assert server.connection.get("before") == b"1"
        assert server.connection.get("lost") is None
        assert loss.covers(written)
        assert not loss.covers(time.time() + 1)
        assert server.connection.set("after", 1)
        server.kill()
        server.start()
        server.wait_until_ready()
        assert server.connection.get("before") == b"1"
        assert server.connection.get("after") == b"1"
    finally:
        server.end()


def test_redis_comes_back_with_an_earlier_copy(primary: RedisPart, tmp_path: Path) -> None:
    backup = Backup(primary, tmp_path / "copy")
    primary.connection.set("lost", 1)
    written = time.time()
    check(primary, backup.bring_back(), written)


def test_a_replica_that_lags_is_promoted(primary: RedisPart, tmp_path: Path) -> None:
    replica = Replica(primary, tmp_path, "replica")
    primary.connection.set("lost", 1)
    written = time.time()
    server, loss = replica.promote()
    assert not primary.alive
    check(server, loss, written)


def test_a_replica_that_is_not_needed_goes(primary: RedisPart, tmp_path: Path) -> None:
    replica = Replica(primary, tmp_path, "replica")
    replica.end()
    assert not replica.server.alive
    assert primary.connection.get("before") == b"1"
    primary.end()
