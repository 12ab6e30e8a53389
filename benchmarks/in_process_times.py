"""Run the engine, without the service, in a separate process."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.yardstick import ROOT

__all__ = ["evaluating_in_process", "train_in_process", "visualize_in_process"]

TRAINING = """
import sys
from benchmarks.in_process import train_steps_per_second
print(train_steps_per_second("float32", int(sys.argv[1])))
"""

VISUALIZATION = """
from benchmarks.in_process import visualize_seconds
print(visualize_seconds()[1])
"""

EVALUATION = """
import sys
from benchmarks.in_process import evaluations
for _, seconds in zip(sys.stdin, evaluations()):
    print(seconds, flush=True)
"""


def train_in_process(steps: int) -> float:
    """Train once, as an executor does in a new process, and return the steps per second."""
    return _number(TRAINING, str(steps))


def visualize_in_process() -> float:
    """Return the seconds of the second call that visualizes the yardstick's 62 features."""
    return _number(VISUALIZATION)


@contextmanager
def evaluating_in_process() -> Iterator[Callable[[], float]]:
    """Run a process that evaluates on request, and waits in between.

    Yields:
        A function that evaluates the 10,000 test images and returns the seconds, without compilation.
    """
    with subprocess.Popen(
        [sys.executable, "-c", EVALUATION],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def evaluate() -> float:
            requests.write("again\n")
            return float(answers.readline())

        try:
            yield evaluate
        finally:
            process.kill()


def _number(program: str, *arguments: str) -> float:
    """Return what a program prints as its last line."""
    command = [sys.executable, "-c", program, *arguments]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(answer.stdout.splitlines()[-1])
