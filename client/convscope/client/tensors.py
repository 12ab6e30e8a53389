"""NumPy arrays of tensor messages: element type, shape, little-endian bytes in row-major order."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.client.errors import ProtocolError
from convscope.v1 import evaluations_pb2, tensor_pb2, visualize_pb2

__all__ = ["decode", "pixels"]

_DTYPES: dict[tensor_pb2.ElementType.ValueType, np.dtype[Any]] = {
    tensor_pb2.ELEMENT_TYPE_UINT8: np.dtype("u1"),
    tensor_pb2.ELEMENT_TYPE_INT32: np.dtype("<i4"),
    tensor_pb2.ELEMENT_TYPE_INT64: np.dtype("<i8"),
    tensor_pb2.ELEMENT_TYPE_FLOAT32: np.dtype("<f4"),
    tensor_pb2.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
}
# NumPy's limit on the number of axes.
_MAX_AXES = 64


def decode(tensor: tensor_pb2.Tensor) -> NDArray[Any]:
    """Return the array of a message, read-only, in this machine's byte order.

    Raises:
        ProtocolError: An unknown element type, a negative length, or bytes that do not fit the shape.
    """
    dtype = _DTYPES.get(tensor.element_type)
    if dtype is None:
        raise ProtocolError(f"tensor: unknown element type {tensor.element_type}")
    shape = tuple(tensor.shape)
    if any(length < 0 for length in shape) or len(shape) > _MAX_AXES:
        raise ProtocolError(f"tensor: impossible shape {list(shape)}")
    data, expected = tensor.data, math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise ProtocolError(f"tensor: {dtype.name} {list(shape)} takes {expected} bytes, not {len(data)}")
    return _array(data, dtype, shape)


def pixels(message: visualize_pb2.OptimizedImage | evaluations_pb2.Example) -> NDArray[np.float32]:
    """Return the pixels of a message; without any, an array of shape (0, 0, 0).

    Raises:
        ProtocolError: As in ``decode``.
    """
    return decode(message.pixels) if message.HasField("pixels") else np.zeros((0, 0, 0), np.float32)


def _array(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        array = np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    except (ValueError, OverflowError) as error:  # empty, with an axis longer than NumPy can count
        raise ProtocolError(f"tensor: impossible shape {list(shape)}") from error
    array.flags.writeable = False
    return array
