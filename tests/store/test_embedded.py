"""The private Redis: private, durable, and gone when its owner is."""

import contextlib
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from convscope.store import embedded
from convscope.store.embedded import EmbeddedRedis, EmbeddedRedisError, check_files, find_server
from convscope.store.redis_log import explain


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
        pytest.raises(EmbeddedRedisError, match=f"another.*{directory}"),
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
        with pytest.raises(EmbeddedRedisError, match=f"another.*{directory}"):
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


def test_too_long_a_path_is_reported(tmp_path: Path) -> None:
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


def damaged(directory: Path, change: Callable[[Path], object], *, write: bool = True) -> str:
    """Write something, change the append-only file, and return why the server does not start again."""
    if write:
        with EmbeddedRedis(directory).running() as server, redis.Redis.from_url(server.url) as connection:
            connection.set("key", "value")
    [file] = [path for path in directory.rglob("*.aof") if path.is_file()]
    change(file)
    with pytest.raises(EmbeddedRedisError) as caught:
        EmbeddedRedis(directory).start()
    return str(caught.value)


def test_a_damaged_file_is_mended_as_the_error_advises(directory: Path) -> None:
    why = damaged(directory, lambda file: file.write_bytes(file.read_bytes() + b"*1\r\nnonsense\r\n" * 9))
    assert f"redis-check-aof --fix {directory}/appendonly.aof" in why
    command = why.split("`")[3]
    subprocess.run(shlex.split(command), input=b"y\n", check=True, capture_output=True)
    with EmbeddedRedis(directory).running() as server, redis.Redis.from_url(server.url) as connection:
        assert connection.get("key") == b"value"


def test_a_file_whose_end_was_not_written_is_no_obstacle(directory: Path) -> None:
    with EmbeddedRedis(directory).running() as server, redis.Redis.from_url(server.url) as connection:
        connection.mset({"first": "1"})
        connection.mset({"second": "2"})
    file = directory / "appendonly.aof"
    file.write_bytes(file.read_bytes()[:-5])
    with EmbeddedRedis(directory).running() as server, redis.Redis.from_url(server.url) as connection:
        assert connection.keys() == [b"first"]


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_file_that_no_tool_mends_is_reported(directory: Path, damage: str) -> None:
    with EmbeddedRedis(directory).running() as server, redis.Redis.from_url(server.url) as connection:
        connection.set("key", os.urandom(10_000))
        connection.bgrewriteaof()
        while not (directory / "appendonly.aof").read_bytes().startswith(b"REDIS"):
            connection.info("persistence")  # until the rewritten file is in place

    def change(file: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[:5000] if damage == "cut" else data[:5000] + b"x" * 100 + data[5100:])

    why = damaged(directory, change, write=False)
    assert "backup" in why
    assert "--fix" not in why
    assert f"{directory}/appendonly.aof" in why


def test_a_file_of_a_newer_redis_is_reported(directory: Path) -> None:
    assert "newer Redis" in damaged(directory, lambda file: file.write_bytes(b"REDIS0099" + b"\xfa" * 50))


def test_an_older_server_does_not_begin_with_nothing(tmp_path: Path) -> None:
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.parent.mkdir()
    manifest.touch()
    server = tmp_path / "redis-server"
    for version, refused in (("6.2.14", True), ("7.0.0", False), ("10.1.0", False)):
        server.write_text(f"#!/bin/sh\necho Redis server v={version} sha=00000000:0\n")
        server.chmod(0o755)
        with pytest.raises(EmbeddedRedisError, match="newer Redis") if refused else contextlib.nullcontext():
            check_files(str(server), tmp_path)


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%41", "\u00e9", "a'b"])
def test_a_path_may_have_any_other_character(directory: Path, name: str) -> None:
    with EmbeddedRedis(directory / name).running() as server, redis.Redis.from_url(server.url) as connection:
        assert connection.ping()


@pytest.mark.parametrize("name", ["redis.sock", "redis.log", "lock", "appendonly.aof"])
def test_what_is_in_the_way_is_named(directory: Path, name: str) -> None:
    (directory / name).mkdir()
    server = EmbeddedRedis(directory)
    with pytest.raises(EmbeddedRedisError, match=str(directory)) as caught:
        server.start()
    assert name in str(caught.value) or "in the way" in str(caught.value)
    (directory / name).rmdir()
    with server.running():  # nothing is held
        pass


def test_a_server_that_is_no_program_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = directory / "redis-server"
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "find_server", lambda: str(program))
    with pytest.raises(EmbeddedRedisError, match=str(program)):
        EmbeddedRedis(directory / "home").start()


@pytest.mark.parametrize(("end", "reason"), [("kill -9 $$", "memory"), ("echo oops: no such library >&2; exit 3", "3")])
def test_how_a_server_ended_is_reported(
    directory: Path, monkeypatch: pytest.MonkeyPatch, end: str, reason: str
) -> None:
    program = directory / "redis-server"
    program.write_text(f"#!/bin/sh\n{end}\n")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "find_server", lambda: str(program))
    with pytest.raises(EmbeddedRedisError, match=reason):
        EmbeddedRedis(directory / "home").start()


def test_a_home_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(EmbeddedRedisError, match="CONVSCOPE_HOME"):
        EmbeddedRedis(tmp_path / "home" / "redis").start()


@pytest.mark.parametrize(
    ("line", "help_"),
    [
        ("1:M 27 Nov 2026 00:47:14.769 # Can't open the append-only file: Permission denied", "read and write"),
        ("1:M 27 Nov 2026 00:47:14.769 # Error writing to the AOF file: No space left on device", "free space"),
        (
            "*** FATAL CONFIG FILE ERROR (Redis 6.2.14) ***\n>>> 'dir \"/x\"'\nCan't chdir to '/x': Permission denied",
            "/d",
        ),
        ("1:M 27 Nov 2026 00:47:14.769 # Opening Unix socket: bind: Operation not permitted", "no sockets"),
        ("1:M 27 Nov 2026 00:47:14.769 # Opening Unix socket: bind: Address already in use", "/d/redis.sock"),
        ("1:M 27 Nov 2026 00:47:14.769 # Can't open the append-only file: Read-only file system", "read and write"),
        ("redis-server: error while loading shared libraries: libssl.so.3: cannot open", "libssl.so.3"),
        (
            "1:M 27 Nov 2026 00:47:14.769 # Bad file format reading the append only file appendonly.aof.1.incr.aof",
            "--fix",
        ),
    ],
)
def test_what_redis_says_comes_with_what_helps(line: str, help_: str) -> None:
    noise = "1:M 27 Nov 2026 00:47:14.001 # Server initialized\n1:M 27 Nov 2026 00:47:14.002 * Ready\n"
    assert help_ in explain(f"{noise}{line}\n", Path("/d"))


def test_of_several_files_the_manifest_is_mended(tmp_path: Path) -> None:
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.parent.mkdir()
    manifest.touch()
    line = "1:M 27 Nov 2026 00:47:14.769 # Bad file format reading the append only file appendonly.aof.1.incr.aof\n"
    assert f"redis-check-aof --fix {manifest}`" in explain(line, tmp_path)


def test_a_redis_that_says_nothing_is_not_explained() -> None:
    assert explain("1:C 27 Nov 2026 00:47:14.001 # oO0OoO0OoO0Oo Redis is starting\n", Path("/d")) == ""
