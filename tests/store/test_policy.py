"""A Redis that cannot be trusted with jobs is refused, saying what to use."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from convscope.store import PolicyError, check_policy, connect_promptly
from convscope.store.embedded import find_server
from convscope.store.redis.policy import _numbers


@contextlib.contextmanager
def server(folder: Path, *options: str, database: int = 0) -> Iterator[redis.Redis]:
    """Run a Redis with options."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1] % 50_000 + 1_024  # a cluster's bus takes the port 10,000 above
    command = [find_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield connect_promptly(f"redis://127.0.0.1:{port}/{database}")
    finally:
        process.kill()
        process.wait()


def answers(host: str, port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((host, port)) == 0


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


class OldRedis:
    """A Redis that reports a version."""

    def __init__(self, version: str) -> None:
        self.version = version

    def pipeline(self, **_: bool) -> Any:
        return contextlib.nullcontext(self)

    def info(self, section: str) -> None: ...

    def execute(self) -> list[dict[str, Any]]:
        return [{"redis_version": self.version}, {}, {}]


def test_a_redis_that_is_too_old_is_refused() -> None:
    connection: Any = OldRedis("6.0.16")
    with pytest.raises(PolicyError, match=r"6\.0\.16.*6\.2"):
        check_policy(connection)
    connection.version = "6.2.0"
    check_policy(connection)


@pytest.mark.parametrize("module", ["convscope.service", "convscope.service.up", "convscope.worker"])
@pytest.mark.parametrize(
    ("options", "database", "expected"),
    [
        (["--cluster-enabled", "yes"], 0, "cluster"),
        (["--maxmemory-policy", "allkeys-lru"], 0, "maxmemory-policy"),
        ([], 99, "CONVSCOPE_REDIS_URL"),
    ],
)
def test_every_program_refuses_at_start(
    tmp_path: Path, module: str, options: list[str], database: int, expected: str
) -> None:
    with server(tmp_path, *options, database=database) as connection:
        assert refusal(connection)
        place = connection.connection_pool.connection_kwargs
        url = f"redis://{place['host']}:{place['port']}/{database}"
        environment = {**os.environ, "CONVSCOPE_REDIS_URL": url, "CONVSCOPE_HOME": str(tmp_path)}
        listen = [] if module.endswith("worker") else ["--listen", f"unix:{tmp_path}/s"]
        command = [sys.executable, "-m", module, *listen]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert expected in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("password", ["mistaken", ""])
def test_a_wrong_password_is_reported_and_not_shown(tmp_path: Path, password: str) -> None:
    with server(tmp_path, "--requirepass", "right") as connection:
        place = connection.connection_pool.connection_kwargs
        deadline = time.monotonic() + 20
        while not answers(place["host"], place["port"]):
            assert time.monotonic() < deadline
        url = f"redis://:{password}@{place['host']}:{place['port']}"
        environment = {**os.environ, "CONVSCOPE_REDIS_URL": url, "CONVSCOPE_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "convscope.service.admin", "status"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("convscope admin: Redis cannot be used: ")
    assert "mistaken" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("version", "old"), [("6.0.16", True), ("5.0.14", True), ("6.2.0", False), ("7.4.1", False)])
def test_versions_are_compared_by_their_numbers(version: str, old: bool) -> None:
    assert (_numbers(version) < (6, 2)) is old
    assert _numbers("unknown") == (6, 2)
