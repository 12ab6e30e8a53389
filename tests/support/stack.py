"""A whole convscope as users run it: ``convscope up`` as a separate process, on a unix socket, in a private home."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from convscope.service.announcing import READY


@dataclass(frozen=True, slots=True)
class Stack:
    """A running convscope."""

    address: str
    home: Path
    process: subprocess.Popen[str]

    @property
    def redis_url(self) -> str:
        return f"unix://{self.home}/redis/redis.sock"

    @property
    def artifacts_url(self) -> str:
        return (self.home / "artifacts").as_uri()

    @property
    def log(self) -> str:
        return (self.home / "up.log").read_text(encoding="utf-8")

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextlib.contextmanager
def running_stack(*, workers: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start a convscope; afterwards stop it, and remove its home."""
    home = Path(tempfile.mkdtemp(prefix="cs-"))  # short: a unix socket's path has at most 107 bytes
    address = f"unix:{home}/grpc.sock"
    command = [sys.executable, "-m", "convscope.service.up", "--listen", address, "--home", str(home)]
    command += ["--workers", str(workers), "--die-with-parent"]
    with (home / "up.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    stack = Stack(address, home, process)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == f"{READY}{address}\n", f"convscope up did not get ready: {line!r}\n{stack.log}"
        yield stack
    finally:
        if process.poll() is None:
            stack.stop()
        assert process.stdout is not None
        process.stdout.close()
        shutil.rmtree(home, ignore_errors=True)
