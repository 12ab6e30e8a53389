"""The IDX format, in which MNIST is published: big-endian, unsigned bytes only.

Bytes 0 and 1 are zero, byte 2 is the element type (8: unsigned byte), byte 3 the number of axes; then the length of
each axis as 32 bits, then the elements, last axis fastest.
"""

import math

import numpy as np
import numpy.typing as npt

from convscope.engine.errors import DatasetError

__all__ = ["decode_idx"]

_UNSIGNED_BYTE = 8


def decode_idx(content: bytes, *, name: str) -> npt.NDArray[np.uint8]:
    """Return the array that ``content`` encodes, a read-only view of it.

    Args:
        content: of an IDX file.
        name: of the file, for messages.

    Raises:
        DatasetError: if it is not an IDX file of unsigned bytes, truncated or too long.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise DatasetError(
            f"{name} is not an IDX file of unsigned bytes: it begins with {content[:4].hex(' ') or 'nothing'}"
        )
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise DatasetError(f"{name} is cut short: {len(content)} bytes, its header alone takes {header}")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise DatasetError(f"{name} has {len(content)} bytes where its header, shape {shape}, asks for {expected}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
