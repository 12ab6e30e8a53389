"""Cores that compute, as those of a worker's machine do while others claim."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["awake_cores"]

PROGRAM = """
import os
os.nice(19)
while True:
    pass
"""


@contextmanager
def awake_cores() -> Iterator[None]:
    """Keep each core busy with work that yields to everything else.

    A virtual core that is idle takes 10 to 40 microseconds to wake up, and a call wakes two of them: that is the
    machine's part of a call, not the store's.
    """
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", PROGRAM]))
            stack.callback(process.kill)
        yield
