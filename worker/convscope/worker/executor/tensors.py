"""Tensor messages of NumPy arrays: element type, shape, little-endian bytes in row-major order."""

from typing import Any, Final

from numpy.typing import NDArray

from convscope.v1.tensor_pb2 import ElementType, Tensor

__all__ = ["tensor"]

ELEMENT_TYPES: Final = {
    "uint8": ElementType.ELEMENT_TYPE_UINT8,
    "int32": ElementType.ELEMENT_TYPE_INT32,
    "int64": ElementType.ELEMENT_TYPE_INT64,
    "float32": ElementType.ELEMENT_TYPE_FLOAT32,
    "float64": ElementType.ELEMENT_TYPE_FLOAT64,
}


def tensor(array: NDArray[Any]) -> Tensor:
    """Return the message of an array of one of the contract's element types, of any shape and memory layout.

    Raises:
        KeyError: if it has another type.
    """
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return Tensor(element_type=ELEMENT_TYPES[array.dtype.name], shape=array.shape, data=data)
