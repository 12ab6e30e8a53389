"""Detection of GPUs without TensorFlow, which must not touch them in the supervisor."""

import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["find_gpus"]

# Where the driver shows its devices: /dev/nvidia0, /dev/nvidia1, ... A container may have only some of them, and still
# counts them from 0.
DEVICES = Path("/dev")

# How long the driver's tool may take, in seconds.
TIMEOUT_S = 20.0


def find_gpus(devices: Path = DEVICES) -> list[int]:
    """Return the numbers of NVIDIA's GPUs as CUDA counts them, from 0; empty if there are none."""
    files = [path for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return list(range(len(files) or _count_of_driver()))


def _count_of_driver() -> int:
    """Return the number of GPUs by the driver's tool, since containers and WSL show other device files."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)  # noqa: S603 - fixed arguments
    except (OSError, subprocess.SubprocessError):
        return 0
    return len(re.findall(r"^GPU \d+:", listed.stdout, re.MULTILINE))
