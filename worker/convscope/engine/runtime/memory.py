"""How much memory the computations of a worker may take."""

import ctypes
import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = [
    "bound_tensorflow",
    "default_memory",
    "in_units",
    "machine_memory",
    "parse_memory",
    "resident_memory",
    "return_memory",
]

UNITS: Final = {"": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
LEAST: Final = 2**20

# What of a machine's memory is taken by default; the rest is for TensorFlow itself, the model, and other processes.
SHARE: Final = 0.5
# TensorFlow is refused what goes beyond the limit by this factor and the weights of a model of this many bytes: an
# error, which halves a chunk, instead of a kill.
TOLERANCE: Final = 1.5
WEIGHTS: Final = 512 * 2**20
# Bounds what TensorFlow's allocator takes on processors with oneDNN; read when the first tensor is made.
TENSORFLOW_VARIABLE: Final = "TF_MKL_ALLOC_MAX_BYTES"

# Where Linux tells the limits of a group of processes: version 2, and version 1 with its controller's folder.
GROUPS: Final = Path("sys/fs/cgroup")


def parse_memory(text: str) -> int:
    """Read an amount of memory as bytes: `536870912`, `512MiB`, `1.5 GiB`; units are KiB, MiB, GiB and TiB.

    Raises:
        ValueError: if it is none, or less than 1 MiB.
    """
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([a-z]{0,3})", text.strip().lower(), re.ASCII)
    if not found or found[2] not in UNITS or ("." in found[1] and not found[2]):
        raise ValueError(f"{text!r} is no amount of memory, such as 2GiB, 512MiB or a number of bytes")
    whole, _, fraction = found[1].partition(".")
    unit = UNITS[found[2]]
    size: int = int(whole) * unit + int(fraction or "0") * unit // 10 ** len(fraction)
    if size < LEAST:
        raise ValueError(f"{text!r} is less than 1MiB")
    return size


def in_units(size: int) -> str:
    """Return bytes for people, in MiB, or GiB where there are many."""
    return f"{size / 2**30:.1f} GiB" if size >= 10 * 2**30 else f"{-(-size // 2**20):,} MiB"


def default_memory() -> int:
    """Return what to take of this machine: half of what it allows, in bytes."""
    return int(machine_memory() * SHARE)


def machine_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process and its like may have: the machine's, or less where a cgroup bounds them.

    Args:
        root: where `proc` and `sys` are.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(root)])


def bound_tensorflow(limit: int) -> None:
    """Have TensorFlow refuse what goes far beyond a limit; to be called before its first operation.

    A limit that the variable has already is left.
    """
    os.environ.setdefault(TENSORFLOW_VARIABLE, str(int(limit * TOLERANCE) + WEIGHTS))


def resident_memory() -> int:
    """Return the memory that this process has now, in bytes, what it shares with others included."""
    resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(resident) * os.sysconf("SC_PAGE_SIZE")


def return_memory() -> None:
    """Give what is no longer used back to the system, where its C library can."""
    gc.collect()  # compiled functions refer to themselves
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _limits(root: Path) -> Iterator[int]:
    """Yield the limits of this process's groups and of those around them."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _around(root / GROUPS, path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _around(root / GROUPS / "memory", path, "memory.limit_in_bytes")


def _around(top: Path, path: str, name: str) -> Iterator[int]:
    """Yield what files of a name say along a path; in a container the upper part of the path may not be there."""
    parts = [part for part in path.split("/") if part not in {"", ".."}]
    for depth in range(len(parts) + 1):
        for line in _lines(top.joinpath(*parts[:depth], name)):
            if line.isdecimal() and int(line) > 0:
                yield int(line)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
