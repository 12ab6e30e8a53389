"""The private Redis: private, durable, and gone when its owner is."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from convscope.store.embedded import EmbeddedRedis, EmbeddedRedisError, find_server


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("r")


def test_it_is_private_and_keeps_what_was_written(directory: Path) -> None:
    with EmbeddedRedis(directory).running() as server:
        connection = redis.Redis.from_url(server.url)
        connection.set("key", "value")
        assert connection.config_get("appendonly") == {"appendonly": "yes"}
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert connection.config_get("port") == {"port": "0"}
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        connection.close()
    assert not server.socket.exists()
    with EmbeddedRedis(directory).running() as server:
        connection = redis.Redis.from_url(server.url)
        assert connection.get("key") == b"value"
        connection.close()


def test_a_directory_has_one_server(directory: Path) -> None:
    with (
        EmbeddedRedis(directory).running() as server,
        pytest.raises(EmbeddedRedisError, match=f"another convscope uses {directory}"),
    ):
        EmbeddedRedis(directory).start()
    assert server.pid is None


OWNER = """
import pathlib, sys
from convscope.store.embedded import EmbeddedRedis
server = EmbeddedRedis(pathlib.Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_it_dies_with_its_owner_and_leaves_no_obstacle(directory: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        server = psutil.Process(int(owner.stdout.readline()))
        with pytest.raises(EmbeddedRedisError, match=f"another convscope uses {directory}"):
            EmbeddedRedis(directory).start()
        owner.kill()
        server.wait(10)
    assert (directory / "redis.sock").exists()
    with EmbeddedRedis(directory).running():
        pass


def test_a_server_that_dies_is_started_again(directory: Path) -> None:
    with EmbeddedRedis(directory).running() as server:
        before = server.pid
        assert before is not None
        server.keep()
        assert server.pid == before
        os.kill(before, signal.SIGKILL)
        psutil.Process(before).wait(10)
        server.keep()
        assert server.pid not in {None, before}


def test_a_path_with_a_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedRedisError, match="has a space"):
        EmbeddedRedis(tmp_path / "a b").start()


def test_too_long_a_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedRedisError, match="too long"):
        EmbeddedRedis(tmp_path / ("x" * 100)).start()


def test_a_server_that_cannot_start_says_where_to_look(directory: Path) -> None:
    (directory / "appendonly.aof").write_text("not an append-only file")
    (directory / "appendonlydir").write_text("nor its folder")
    with pytest.raises(EmbeddedRedisError, match=r"redis\.log"):
        EmbeddedRedis(directory).start()


def test_a_server_on_the_path_comes_first(tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_server({"PATH": str(tmp_path)}) == str(program)
    assert Path(find_server({"PATH": "/nowhere"})).name == "redis-server"
