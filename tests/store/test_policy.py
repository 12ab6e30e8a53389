"""A Redis that cannot be trusted with jobs is refused, saying what to use."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from convscope.store import PolicyError, check_policy, connect_promptly
from convscope.store.embedded import find_server
from convscope.store.redis.policy import _numbers


@contextlib.contextmanager
def server(folder: Path, *options: str, database: int = 0) -> Iterator[redis.Redis]:
    """A Redis with options of its own."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1] % 50_000 + 1_024  # a cluster's bus takes the port 10,000 above
    command = [find_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield connect_promptly(f"redis://127.0.0.1:{port}/{database}")
    finally:
        process.kill()
        process.wait()


def refusal(connection: redis.Redis) -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            check_policy(connection)
        except PolicyError as error:
            return str(error)
        except redis.ConnectionError:
            assert time.monotonic() < deadline
        else:
            return ""


def test_a_cluster_is_refused(tmp_path: Path) -> None:
    with server(tmp_path, "--cluster-enabled", "yes") as connection:
        assert "cluster" in refusal(connection)


@pytest.mark.parametrize("options", [["--databases", "4"], ["--cluster-enabled", "yes"]])
def test_a_database_that_is_not_there_is_refused(tmp_path: Path, options: list[str]) -> None:
    with server(tmp_path, *options, database=4) as connection:
        assert "CONVSCOPE_REDIS_URL" in refusal(connection)


def test_a_redis_that_may_evict_is_refused(tmp_path: Path) -> None:
    with server(tmp_path, "--maxmemory-policy", "allkeys-lru") as connection:
        assert "maxmemory-policy" in refusal(connection)
        connection.config_set("maxmemory-policy", "noeviction")
        assert refusal(connection) == ""


@pytest.mark.parametrize(("version", "old"), [("6.0.16", True), ("5.0.14", True), ("6.2.0", False), ("7.4.1", False)])
def test_versions_are_compared_by_their_numbers(version: str, old: bool) -> None:
    assert (_numbers(version) < (6, 2)) is old
    assert _numbers("unknown") == (6, 2)
