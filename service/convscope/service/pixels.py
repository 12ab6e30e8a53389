"""The pixels of images: as arrays, and as PNG files of 8 bits a channel."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from convscope.v1.tensor_pb2 import Tensor

__all__ = ["PNG_CHANNELS", "pixels_of", "png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# PNG's colour types by number of channels: grey, RGB, RGBA.
PNG_CHANNELS = {1: 0, 3: 2, 4: 6}


def pixels_of(tensor: Tensor) -> NDArray[np.float32]:
    """Return the array of an image's pixels: float32 [height, width, channels], 0 to 1, read-only."""
    return np.frombuffer(tensor.data, "<f4").reshape(tuple(tensor.shape))


def png(pixels: NDArray[np.float32]) -> bytes:
    """Return an image as a PNG file: 0 is black, 1 is white, rounded to the nearest of 256 levels, not rescaled.

    Args:
        pixels: float32 [height, width, channels], 0 to 1; values beyond are clipped, NaN is black; 1, 3 or 4 channels.

    Raises:
        KeyError: if there are other than 1, 3 or 4 channels.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, PNG_CHANNELS[channels], 0, 0, 0)
    levels = np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8).reshape(height, width * channels)
    rows = np.pad(levels, ((0, 0), (1, 0)))  # each row begins with the number of its filter: none
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes())) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
