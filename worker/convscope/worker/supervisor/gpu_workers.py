"""One worker process for each GPU, restarted when one dies and stopped together."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from convscope.store import Child
from convscope.worker.settings import DEVICE_VARIABLE

__all__ = ["run_gpu_workers"]

log = logging.getLogger(__name__)

# How often the workers are checked, in seconds; a worker that died is restarted within that time.
PERIOD_S = 1.0

# Exit code of a worker whose settings are invalid; restarting it would not help.
REFUSED = 2


def run_gpu_workers(gpus: Sequence[int], arguments: Sequence[str]) -> int:
    """Run a worker for each GPU until SIGINT or SIGTERM, and return the exit code.

    Args:
        gpus: numbers of the GPUs; each worker sees one of them.
        arguments: command-line arguments of the workers.
    """
    stop = threading.Event()

    def ask(_: int, __: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    workers = [
        Child(
            f"the worker of GPU {gpu}",
            [sys.executable, "-m", "convscope.worker", *arguments],
            {**os.environ, **gpu_environment(gpu)},
            final=(0, REFUSED),
        )
        for gpu in gpus
    ]
    for worker in workers:
        worker.start()
    while not stop.wait(PERIOD_S) and not all(worker.exit_code in {0, REFUSED} for worker in workers):
        for worker in workers:
            if worker.has_died():
                _try_to_start(worker)
    for worker in workers:
        worker.terminate()
    return max(0, *(worker.stop() or 0 for worker in workers))  # below 0: it was stopped before it listened


def _try_to_start(worker: Child) -> None:
    """Start a worker, and only log it if this machine cannot just now: it stays dead, and is started again."""
    try:
        worker.start()
    except OSError as error:
        log.warning("a worker cannot be started: %s", error)


def gpu_environment(gpu: int) -> dict[str, str]:
    """Return the environment variables that a worker needs before it imports TensorFlow."""
    return {
        DEVICE_VARIABLE: "gpu",
        "CUDA_VISIBLE_DEVICES": str(gpu),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # other programs may need some of its memory
    }
