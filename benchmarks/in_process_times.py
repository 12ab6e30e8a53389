"""Runs the project's computing code, without the service, as a process of its own."""

import subprocess
import sys

from benchmarks.yardstick import ROOT

__all__ = ["evaluate_in_process", "train_in_process", "visualize_in_process"]

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
from benchmarks.in_process import evaluate_seconds
print(evaluate_seconds(int(sys.argv[1])))
"""


def train_in_process(steps: int) -> float:
    """Train once, as an executor does in a fresh process; returns the steps per second."""
    return _number(TRAINING, str(steps))


def visualize_in_process() -> float:
    """Return the seconds that the yardstick's 62 features take when they are asked for once more."""
    return _number(VISUALIZATION)


def evaluate_in_process(times: int) -> float:
    """Return the median of the seconds that the 10,000 test images take, so many times, once everything is compiled."""
    return _number(EVALUATION, str(times))


def _number(program: str, *arguments: str) -> float:
    """Return what a program prints as its last line."""
    command = [sys.executable, "-c", program, *arguments]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(answer.stdout.splitlines()[-1])
