"""Tensor messages and NumPy arrays: element type, shape, little-endian bytes in row-major order."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.client.errors import InvalidType, ProtocolError
from convscope.v1 import tensor_pb2

__all__ = ["decode", "encode"]

_DTYPES: dict[tensor_pb2.ElementType.ValueType, np.dtype[Any]] = {
    tensor_pb2.ELEMENT_TYPE_UINT8: np.dtype("u1"),
    tensor_pb2.ELEMENT_TYPE_INT32: np.dtype("<i4"),
    tensor_pb2.ELEMENT_TYPE_INT64: np.dtype("<i8"),
    tensor_pb2.ELEMENT_TYPE_FLOAT32: np.dtype("<f4"),
    tensor_pb2.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
}
_ELEMENT_TYPES = {dtype: element_type for element_type, dtype in _DTYPES.items()}
# NumPy's limit on the number of axes.
_MAX_AXES = 64


def encode(array: NDArray[Any]) -> tensor_pb2.Tensor:
    """Return the message of an array of uint8, int32, int64, float32 or float64, of any shape and memory layout.

    Raises:
        InvalidType: Another dtype.
    """
    element_type = _ELEMENT_TYPES.get(array.dtype.newbyteorder("<"))
    if element_type is None:
        allowed = ", ".join(dtype.name for dtype in _ELEMENT_TYPES)
        raise InvalidType(f"a tensor cannot hold {array.dtype}; allowed are {allowed}")
    data = array.astype(_DTYPES[element_type], copy=False).tobytes(order="C")
    return tensor_pb2.Tensor(element_type=element_type, shape=array.shape, data=data)


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


def _array(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        array = np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    except (ValueError, OverflowError) as error:  # empty, with an axis longer than NumPy can count
        raise ProtocolError(f"tensor: impossible shape {list(shape)}") from error
    array.flags.writeable = False
    return array
