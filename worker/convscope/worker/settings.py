"""Settings of a worker and its executors, read from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from convscope.engine.runtime.memory import parse_memory
from convscope.store import Variables

__all__ = ["DEVICE_VARIABLE", "KEEP_WARM_VARIABLE", "MEMORY_VARIABLE", "THREADS_VARIABLE", "WorkerSettings"]

# The command line sets these for the processes that follow.
DEVICE_VARIABLE: Final = "CONVSCOPE_DEVICE"
THREADS_VARIABLE: Final = "CONVSCOPE_THREADS"
MEMORY_VARIABLE: Final = "CONVSCOPE_MEMORY"
KEEP_WARM_VARIABLE: Final = "CONVSCOPE_KEEP_WARM"

# Defaults: how long an executor waits for more work, in seconds, and training steps between two checkpoints.
KEEP_WARM_S: Final = 600.0
CHECKPOINT_STEPS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """A worker's share of its machine.

    Attributes:
        device: what it computes on, ``cpu`` or ``gpu`` (``CONVSCOPE_DEVICE``).
        threads: number of threads (``CONVSCOPE_THREADS``); None: one for each processor.
        memory: bytes that an executor may use (``CONVSCOPE_MEMORY``); None: half of what the machine allows.
        keep_warm_s: seconds for which an idle executor waits for more work, with its loaded models and compiled
            functions; 0 ends it at once (``CONVSCOPE_KEEP_WARM``).
        checkpoint_steps: training steps between two checkpoints (``CONVSCOPE_CHECKPOINT_STEPS``); another one is made
            every minute.
    """

    device: str = "cpu"
    threads: int | None = None
    memory: int | None = None
    keep_warm_s: float = KEEP_WARM_S
    checkpoint_steps: int = CHECKPOINT_STEPS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "WorkerSettings":
        """Read the variables.

        Raises:
            ValueError: naming the variable and what is allowed.
        """
        variables = Variables(environment)
        return cls(
            device=variables.choice(DEVICE_VARIABLE, ("cpu", "gpu"), "cpu"),
            threads=variables.count(THREADS_VARIABLE, None),
            memory=variables.parsed(
                MEMORY_VARIABLE, parse_memory, "1MiB or more: bytes, or with KiB, MiB, GiB, TiB", None
            ),
            keep_warm_s=variables.seconds(KEEP_WARM_VARIABLE, KEEP_WARM_S, zero=True),
            checkpoint_steps=variables.count("CONVSCOPE_CHECKPOINT_STEPS", CHECKPOINT_STEPS),
        )
