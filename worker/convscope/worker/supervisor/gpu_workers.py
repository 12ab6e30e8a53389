"""One worker process for each GPU, started again when one dies and stopped together."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from convscope.store.processes import die_with_parent
from convscope.worker.settings import DEVICE_VARIABLE

__all__ = ["run_gpu_workers"]

log = logging.getLogger(__name__)

# How often the workers are looked after, in seconds; a worker that died is started again as soon.
PERIOD_S = 1.0

# How a worker ends that cannot do what it was told, and never will.
REFUSED = 2


def run_gpu_workers(gpus: Sequence[int], arguments: Sequence[str]) -> int:
    """Run a worker for each GPU until SIGINT or SIGTERM; returns the exit code.

    Args:
        gpus: numbers of the GPUs; each worker sees one of them.
        arguments: what each worker is given on its command line.
    """
    stop = threading.Event()

    def ask(_: int, __: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    workers = {gpu: _start(gpu, arguments) for gpu in gpus}
    while not stop.wait(PERIOD_S) and not all(worker.poll() in {0, REFUSED} for worker in workers.values()):
        for gpu, worker in workers.items():
            if worker.poll() not in {None, 0, REFUSED}:
                log.error("the worker of GPU %d died (exit code %s) and is started again", gpu, worker.returncode)
                workers[gpu] = _start(gpu, arguments)
    for worker in workers.values():
        worker.send_signal(signal.SIGTERM)  # if it still runs
    return max(0, *(worker.wait() for worker in workers.values()))  # below 0: it was stopped before it listened


def _start(gpu: int, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "convscope.worker", *arguments],
        env={**os.environ, **gpu_environment(gpu)},
        start_new_session=True,  # a terminal's Ctrl-C reaches this process alone, which stops all in order
        preexec_fn=die_with_parent,  # noqa: PLW1509 - no other thread runs here
    )


def gpu_environment(gpu: int) -> dict[str, str]:
    """Return what a worker must have in its environment before it imports TensorFlow."""
    return {
        DEVICE_VARIABLE: "gpu",
        "CUDA_VISIBLE_DEVICES": str(gpu),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # others may want some of its memory
    }
