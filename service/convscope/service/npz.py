"""NumPy archives (.npz) written in one go, array by array, without being held in memory."""

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
    """Writes arrays one after another; `take` hands out the bytes of the archive that have come about since.

    Members are stored uncompressed and without a time: the same arrays make the same bytes.
    """

    def __init__(self) -> None:
        self._pipe = _Pipe()
        # A file that cannot be sought in gets sizes and check sums after each member, as a stream needs it.
        self._archive = zipfile.ZipFile(self._pipe, "w")  # type: ignore[call-overload]  # more than write is not needed
        self._member: IO[bytes] | None = None
        self._stack = ExitStack()

    def begin(self, name: str, descr: str, shape: tuple[int, ...]) -> None:
        """Begin an array of a dtype, as ``<f4``, and a shape; the one before must be whole."""
        self._stack.close()
        big = prod(shape) * np.dtype(descr).itemsize > BIG
        opened = self._archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=big)
        self._member = self._stack.enter_context(opened)
        npy.write_array_header_1_0(self._member, {"descr": descr, "fortran_order": False, "shape": shape})

    def write(self, data: bytes) -> None:
        """Add elements of the array that was begun, in row-major order.

        Raises:
            ValueError: if none was.
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
    """What a zip file needs of a file to write to."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self._data += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data = bytes(self._data)
        self._data.clear()
        return data
