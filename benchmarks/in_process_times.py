"""Runs the project's computing code, without the service, as a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.yardstick import ROOT

__all__ = ["InProcessTimes", "run_in_process"]

# Prints what it measured as the last line. Training comes first: the service's horses are fresh processes too.
PROGRAM = """
import json, sys
from benchmarks.in_process import train_steps_per_second, visualize_seconds
speed = train_steps_per_second("float32", int(sys.argv[1]))
first, second = visualize_seconds()
print(json.dumps([speed, second]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcessTimes:
    """Speed of float32 training, and seconds for the yardstick's 62 features when they are asked for once more."""

    train_steps_per_s: float
    visualize_s: float


def run_in_process(train_steps: int) -> InProcessTimes:
    """Measure once, with this many steps of training."""
    command = [sys.executable, "-c", PROGRAM, str(train_steps)]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    speed, seconds = json.loads(answer.stdout.splitlines()[-1])
    return InProcessTimes(train_steps_per_s=speed, visualize_s=seconds)
