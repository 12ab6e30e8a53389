"""NumPy archives (.npz) written as a stream, array by array, without being held in memory."""

import zipfile
from contextlib import ExitStack
from math import prod
from typing import IO

import numpy as np
from numpy.lib import format as npy

__all__ = ["NpzWriter"]

# Above this many bytes a member needs the 64-bit fields of the zip format; below, every reader understands it.
BIG = 2**31 - 2**20


class NpzWriter:
    """Writes arrays one after another; ``take`` returns the bytes of the archive since the last call.

    Members are stored uncompressed and without a time: the same arrays give the same bytes.
    """

    def __init__(self) -> None:
        self._pipe = _Pipe()
        # A file without seek gets sizes and checksums after each member, as a stream needs them.
        self._archive = zipfile.ZipFile(self._pipe, "w")  # type: ignore[call-overload]  # more than write is not needed
        self._member: IO[bytes] | None = None
        self._stack = ExitStack()

    def begin(self, name: str, descr: str, shape: tuple[int, ...]) -> None:
        """Begin an array with a dtype, such as ``<f4``, and a shape; the one before must be complete."""
        self._stack.close()
        big = prod(shape) * np.dtype(descr).itemsize > BIG
        opened = self._archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=big)
        self._member = self._stack.enter_context(opened)
        npy.write_array_header_1_0(self._member, {"descr": descr, "fortran_order": False, "shape": shape})

    def write(self, data: bytes) -> None:
        """Add elements of the current array, in row-major order.

        Raises:
            ValueError: if no array was begun.
        """
        if self._member is None:
            raise ValueError("no array was begun")
        self._member.write(data)

    def finish(self) -> None:
        """End the archive with its table of contents."""
        self._stack.close()
        self._archive.close()

    def take(self) -> bytes:
        """Return the bytes since the last call."""
        return self._pipe.take()


class _Pipe:
    """The part of a file's interface that ``ZipFile`` needs for writing."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._data += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: every write is visible at once."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data = bytes(self._data)
        self._data.clear()
        return data
