"""Finds the GPUs of this machine without TensorFlow, whose parent process must not touch them."""

import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["find_gpus"]

# Where the driver shows its devices: /dev/nvidia0, /dev/nvidia1, ...
DEVICES = Path("/dev")

# How long the driver's tool may take, in seconds.
TIMEOUT_S = 20.0


def find_gpus(devices: Path = DEVICES) -> list[int]:
    """Return the numbers of NVIDIA's GPUs, rising; empty if there are none."""
    numbers = [re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*")]
    return sorted(int(found[1]) for found in numbers if found) or _asked_of_driver()


def _asked_of_driver() -> list[int]:
    """Ask the driver's tool, since containers and WSL show other device files."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 - no input of anybody's
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted(int(number) for number in re.findall(r"^GPU (\d+):", listed.stdout, re.MULTILINE))
