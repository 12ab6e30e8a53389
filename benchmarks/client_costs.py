"""Costs of the client library: seconds to import, memory of a program that trains and visualizes."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.yardstick import ROOT

__all__ = ["FAMILY"]

IMPORT = Figure(name="client-import", what="import convscope.client", target=0.5, unit="s", noise=0.45, bound="at most")
MEMORY = Figure(
    name="client-memory",
    what="peak memory of a client that trains and visualizes every feature",
    target=120,
    unit="MiB",
    noise=0.05,
    bound="at most",
)

# How often the import is measured, always in a new process.
IMPORTS = 20

IMPORT_PROGRAM = """
import time
started = time.perf_counter()
import convscope.client
print(time.perf_counter() - started)
"""

# VmHWM is the largest resident memory that the process ever had, in KiB.
SESSION_PROGRAM = """
import sys
from convscope.client import Client
with Client(sys.argv[1]) as client:
    training = client.train(iterations=100)
    visualization = client.visualize(training, trace=True)
    assert training.result().step == 100
    assert len(visualization.result().images) == 16 + 36 + 128 + 10
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Run programs that use the client."""
    if IMPORT.name in names:
        yield from ((IMPORT.name, run(IMPORT_PROGRAM)) for _ in range(this.session.times(IMPORTS)))
    if MEMORY.name in names:
        yield MEMORY.name, run(SESSION_PROGRAM, this.session.address) / 1024


def run(program: str, *arguments: str) -> float:
    """Run a program in a new process and return the number that it prints."""
    command = [sys.executable, "-c", program, *arguments]
    return float(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


FAMILY = Family(figures=(IMPORT, MEMORY), measure=measure)
