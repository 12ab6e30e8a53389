"""Run the tutorial's own way of working in a separate process."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["YardstickTimes", "run_yardstick"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class YardstickTimes:
    """Training speed of the yardstick, and its seconds for 62 features in 30 iterations."""

    train_steps_per_s: float
    visualize_s: float


def run_yardstick(train_steps: int) -> YardstickTimes:
    """Run the yardstick once, with this many training steps."""
    command = [sys.executable, "benchmarks/tutorial.py", "--data", "data/mnist", "--iterations", str(train_steps)]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    times = json.loads(answer.stdout.splitlines()[-1])
    return YardstickTimes(train_steps_per_s=times["train_steps_per_s"], visualize_s=times["visualize_s"])
