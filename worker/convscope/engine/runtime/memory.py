"""Memory: its amount, its limits, and how to release it."""

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

# Share of a machine's memory to use by default; the rest is for TensorFlow itself, the model, and other processes.
SHARE: Final = 0.5
# TensorFlow's allocations beyond the limit times this factor, plus this many bytes for a model's weights, fail: an
# error, which halves a chunk, instead of a kill.
TOLERANCE: Final = 1.5
WEIGHTS: Final = 512 * 2**20
# Bounds TensorFlow's allocator on processors with oneDNN, in bytes; read when the first tensor is made.
TENSORFLOW_VARIABLE: Final = "TF_MKL_ALLOC_MAX_BYTES"

# Where Linux shows the limits of a control group: version 2, and version 1 with its controller's folder.
GROUPS: Final = Path("sys/fs/cgroup")


def parse_memory(text: str) -> int:
    """Read an amount of memory as bytes: ``536870912``, ``512MiB``, ``1.5 GiB``; units are KiB, MiB, GiB and TiB.

    Raises:
        ValueError: if it is invalid, or less than 1 MiB.
    """
    parts = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([a-z]{0,3})", text.strip().lower(), re.ASCII)
    if not parts or parts[2] not in UNITS or ("." in parts[1] and not parts[2]):
        raise ValueError(f"{text!r} is not an amount of memory, such as 2GiB, 512MiB or a number of bytes")
    whole, _, fraction = parts[1].partition(".")
    unit = UNITS[parts[2]]
    size: int = int(whole) * unit + int(fraction or "0") * unit // 10 ** len(fraction)
    if size < LEAST:
        raise ValueError(f"{text!r} is less than 1MiB")
    return size


def in_units(size: int) -> str:
    """Return an amount of bytes as text for people, in MiB, or in GiB from 10 GiB on."""
    return f"{size / 2**30:.1f} GiB" if size >= 10 * 2**30 else f"{-(-size // 2**20):,} MiB"


def default_memory() -> int:
    """Return the memory to use by default, in bytes: half of what the machine allows."""
    return int(machine_memory() * SHARE)


def machine_memory(root: Path = Path("/")) -> int:
    """Return the memory that this process may have, in bytes: the machine's, or less where a control group bounds it.

    Args:
        root: folder of ``proc`` and ``sys``.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(root)])


def bound_tensorflow(limit: int) -> None:
    """Make TensorFlow refuse allocations far beyond a limit; to be called before its first operation.

    A limit that the environment has already is left as it is.
    """
    os.environ.setdefault(TENSORFLOW_VARIABLE, str(int(limit * TOLERANCE) + WEIGHTS))


def resident_memory() -> int:
    """Return the resident memory of this process, in bytes, shared memory included."""
    resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(resident) * os.sysconf("SC_PAGE_SIZE")


def return_memory() -> None:
    """Return unused memory to the system, where the C library can."""
    gc.collect()  # compiled functions refer to themselves
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _limits(root: Path) -> Iterator[int]:
    """Yield the limits of this process's control groups and of those around them."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _around(root / GROUPS, path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _around(root / GROUPS / "memory", path, "memory.limit_in_bytes")


def _around(top: Path, path: str, name: str) -> Iterator[int]:
    """Yield the limits in files of a name along a path; in a container the upper part of the path may be missing."""
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
