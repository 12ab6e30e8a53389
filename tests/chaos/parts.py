"""The processes of a convscope, each of which can be killed, stopped and started again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from convscope.store.embedded import _options, find_server

__all__ = ["PATIENCE_S", "TIED", "Part", "RedisPart", "python"]

# How long a part may take to get ready or to end; TensorFlow's import takes seconds, on a busy machine many.
PATIENCE_S = 60.0

# Runs a program that dies with its parent. Not by a function between fork and exec: the driver has many threads.
TIED = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


# So that a copy of Redis' append-only file is whole, and a replica gets its first copy at once.
PLAIN_FILES = ("--auto-aof-rewrite-percentage", "0", "--repl-diskless-sync-delay", "0")


class Part:
    """A program that prints one line when it is ready.

    Args:
        title: what to call it.
        command: program and arguments.
        environment: its environment variables, besides those of this process.
        home: where its output goes.

    Attributes:
        frail: whether it may end by itself in its present life, because it has failpoints that make it.
    """

    def __init__(self, title: str, command: list[str], environment: Mapping[str, str], home: Path) -> None:
        self.title = title
        self.restarts = -1
        self.home = home
        self._command = command
        self.environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._excused = True
        self.frail = False

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it has said that it works."""
        return self.alive and bool(self.greeting)

    @property
    def greeting(self) -> str:
        """What it said when it was ready."""
        return self._output("out").read_text(encoding="utf-8")

    @property
    def name(self) -> str:
        """The name under which a worker said that it was ready."""
        return self.greeting.removeprefix("convscope worker ").removesuffix(" is ready\n")

    @property
    def died_by_itself(self) -> bool:
        """Whether it ended although the driver had not ended it."""
        return not self.alive and not self._excused and not self.frail

    @property
    def exit_code(self) -> int | None:
        """How it ended."""
        return self._process.returncode if self._process else None

    @property
    def executors(self) -> list[psutil.Process]:
        """The processes that it has forked."""
        try:
            return psutil.Process(self.pid).children() if self.alive else []
        except psutil.NoSuchProcess:
            return []

    def start(self, environment: Mapping[str, str] | None = None, *, frail: bool = False) -> None:
        """Start it, without waiting until it is ready.

        Args:
            environment: environment variables of this life, besides its own.
            frail: whether it may end by itself in this life.
        """
        self.restarts += 1
        self._excused = False
        self.frail = frail
        with self._output("out").open("wb") as out, self._output("err").open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-ISc", TIED, *self._command],
                env={**self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it with SIGKILL, if it lives."""
        self._excused = True
        self.signal(signal.SIGKILL)
        self.wait_until_gone()

    def terminate(self) -> None:
        """Ask it to end."""
        self._excused = True
        self.signal(signal.SIGTERM)

    def end(self) -> None:
        """Ask it to end and wait until it has."""
        if self.alive:
            self.terminate()
            self.wait_until_gone()

    def wait_until_gone(self) -> None:
        """Wait until the process has ended, if it was ever started."""
        if self._process is not None:
            self._process.wait(PATIENCE_S)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait_until_ready(self) -> None:
        """Wait until it works."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.ready:
            assert self.alive, f"{self.title} did not start: {self._output('err').read_text(encoding='utf-8')}"
            assert time.monotonic() < deadline, f"{self.title} does not get ready"
            time.sleep(0.05)  # what it prints goes to a file, for which one cannot wait

    def _output(self, kind: str) -> Path:
        return self.home / f"{self.title.replace(' ', '-')}-{self.restarts}.{kind}"


class RedisPart(Part):
    """A Redis with the options of the embedded one, on a port besides.

    Args:
        home: where its data and output go.
        name: of its folder.
        options: further options.
    """

    def __init__(self, home: Path, name: str = "redis", options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.directory = home / name
        self.directory.mkdir(mode=0o700)
        command = [*_options(self.directory, self.directory / "redis.sock"), *PLAIN_FILES]
        command += ["--port", str(self.port), "--bind", "127.0.0.1", *options]
        super().__init__("redis", [find_server(), *command], {"CONVSCOPE_HOME": str(home)}, home)
        self.connection = redis.Redis(port=self.port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self.connection.ping())
        except redis.RedisError:
            return False

    def end(self) -> None:
        """Ask it to end and wait until it has."""
        self.connection.close()
        super().end()

    def _output(self, kind: str) -> Path:
        return self.directory.with_name(f"{self.directory.name}-{self.restarts}.{kind}")


# Ports that the system does not assign; each is handed out once.
PORTS = iter(range(20_000 + os.getpid() % 10_000, 32_000))


def free_port() -> int:
    """Return a port without a listener that the system does not assign while its owner is away."""
    for port in PORTS:
        with socket.socket() as taken, contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module."""
    return [sys.executable, "-m", module, *arguments]
