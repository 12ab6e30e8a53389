"""Runs the tutorial's own way of working as a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["YardstickTimes", "run_yardstick"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class YardstickTimes:
    """What the yardstick measured of itself: training speed, and seconds for 62 features of 30 iterations each."""

    train_steps_per_s: float
    visualize_s: float


def run_yardstick(train_steps: int) -> YardstickTimes:
    """Run it once, with this many steps of training."""
    command = [sys.executable, "benchmarks/tutorial.py", "--data", "data/mnist", "--iterations", str(train_steps)]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    times = json.loads(answer.stdout.splitlines()[-1])
    return YardstickTimes(train_steps_per_s=times["train_steps_per_s"], visualize_s=times["visualize_s"])
