"""Environment variables that reach the horses of a worker."""

import math
import os

from convscope.engine.runtime.memory import parse_memory

__all__ = [
    "CHECKPOINT_VARIABLE",
    "DEVICE_VARIABLE",
    "KEEP_WARM_VARIABLE",
    "MEMORY_VARIABLE",
    "THREADS_VARIABLE",
    "WORKER_VARIABLE",
    "check_variables",
    "device",
    "keep_warm",
    "memory_in",
    "number_in",
    "positive",
]

# Training steps between two checkpoints, if not the default.
CHECKPOINT_VARIABLE = "CONVSCOPE_CHECKPOINT_STEPS"

# Number of threads to compute with; one for each processor if unset.
THREADS_VARIABLE = "CONVSCOPE_THREADS"

# What the worker computes on: ``cpu`` or ``gpu``.
DEVICE_VARIABLE = "CONVSCOPE_DEVICE"

# Memory that an executor may take, with the images that it computes; half of what the machine allows if unset.
MEMORY_VARIABLE = "CONVSCOPE_MEMORY"

# Seconds for which an executor stays when there is nothing to compute, with what it has loaded and compiled; 0 ends it.
KEEP_WARM_VARIABLE = "CONVSCOPE_KEEP_WARM"
KEEP_WARM_S = 600.0

# Name of the worker; set by RQ.
WORKER_VARIABLE = "RQ_WORKER_ID"


def number_in(variable: str) -> int | None:
    """Return the number in a variable; None if it is unset or empty.

    Raises:
        ValueError: if it is not a positive number; names the variable.
    """
    text = os.environ.get(variable)
    try:
        return positive(text) if text else None
    except ValueError as error:
        raise ValueError(f"{variable} is {text!r}; it must be a positive whole number") from error


def memory_in(variable: str) -> int | None:
    """Return the amount of memory in a variable, in bytes; None if it is unset or empty.

    Raises:
        ValueError: if it is none, or less than 1 MiB; names the variable.
    """
    text = os.environ.get(variable)
    try:
        return parse_memory(text) if text else None
    except ValueError as error:
        raise ValueError(
            f"{variable} is {text!r}; it must be 1MiB or more: bytes, or with KiB, MiB, GiB, TiB"
        ) from error


def positive(text: str) -> int:
    """Read a positive whole number.

    Raises:
        ValueError: if it is none.
    """
    number = int(text)
    if number < 1:
        raise ValueError(f"{text} is not positive")
    return number


def device() -> str:
    """Return what this worker computes on, ``cpu`` or ``gpu``.

    Raises:
        ValueError: if the variable has another value; names it.
    """
    found = os.environ.get(DEVICE_VARIABLE) or "cpu"
    if found not in {"cpu", "gpu"}:
        raise ValueError(f"{DEVICE_VARIABLE} is {found!r}; it must be cpu or gpu")
    return found


def keep_warm() -> float:
    """Return for how many seconds an executor stays when there is nothing to compute.

    Raises:
        ValueError: if the variable is not a number of seconds from 0; names it.
    """
    text = os.environ.get(KEEP_WARM_VARIABLE)
    try:
        seconds = float(text) if text else KEEP_WARM_S
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{KEEP_WARM_VARIABLE} is {text!r}; it must be a number of seconds, 0 or more")
    return seconds


def check_variables() -> None:
    """Refuse values that horses could not read.

    Raises:
        ValueError: naming the variable.
    """
    for variable in (CHECKPOINT_VARIABLE, THREADS_VARIABLE):
        number_in(variable)
    memory_in(MEMORY_VARIABLE)
    keep_warm()
    device()
