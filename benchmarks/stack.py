"""The whole system as a user runs it: a private Redis, the service and workers, in a temporary folder."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convscope.client import Client
from convscope.service.announcing import READY

__all__ = ["model_on", "run_stack"]


@contextmanager
def run_stack(workers: int = 1, threads: int | None = None) -> Iterator[str]:
    """Start everything, yield the service's address, stop everything.

    Args:
        workers: how many.
        threads: of each worker; by default one per processor.

    Raises:
        RuntimeError: if it ends before it is ready; the message has the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="convscope-bench-") as folder, (Path(folder) / "log").open("w+") as log:
        command = [sys.executable, "-m", "convscope.service.up", "--listen", f"unix:{folder}/front.sock"]
        command += ["--home", f"{folder}/home", "--workers", str(workers), "--die-with-parent"]
        command += ["--threads", str(threads)] if threads else []
        with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, stderr=log, text=True) as process:
            try:
                yield _ready_address(process, Path(folder) / "log")
            finally:
                process.terminate()
                process.wait(30)


@contextmanager
def model_on(*, threads: int | None = None, workers: int = 1) -> Iterator[tuple[Client, str]]:
    """Start a system, and yield a client of it and the name of a model."""
    with run_stack(workers, threads=threads) as address, Client(address) as client:
        yield client, client.train(iterations=100).result().model


def _environment() -> dict[str, str]:
    """Return this process's environment without settings that would lead to another Redis or artifact store."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}


def _ready_address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    tail = "\n".join(log.read_text().splitlines()[-20:])
    raise RuntimeError(f"convscope did not start; the end of its log:\n{tail}")
