"""``convscope serve`` by itself, on the caller's Redis."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convscope.service.announcing import ANNOUNCED

__all__ = ["service_alone"]

# How long it may take to end, in seconds: longer than its grace.
END_S = 30


@contextmanager
def service_alone(
    redis_url: str, home: Path, *, listen: str = "localhost:0", **environment: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a service within a ``with`` block.

    Args:
        redis_url: its Redis.
        home: folder of its artifacts, unless the environment names another store.
        listen: its address.
        environment: more of its variables.

    Yields:
        The address at which it serves, and its process.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "convscope.service", "--listen", listen],
        env={**os.environ, "CONVSCOPE_REDIS_URL": redis_url, "CONVSCOPE_HOME": str(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield line.removeprefix(ANNOUNCED).strip(), process
        finally:
            process.terminate()
            process.communicate(timeout=END_S)
