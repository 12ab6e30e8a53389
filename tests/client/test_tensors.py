"""Arrays as tensor messages: what a worker packs is what a client unpacks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from convscope.client import ProtocolError
from convscope.client.tensors import decode
from convscope.v1 import tensor_pb2
from convscope.worker.executor.tensors import tensor

DTYPES = ("uint8", "int32", "int64", "float32", "float64")
shapes = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


@given(hnp.arrays(st.sampled_from(DTYPES), shapes))
def test_round_trip_keeps_every_bit(array: NDArray[np.generic]) -> None:
    decoded = decode(tensor_pb2.Tensor.FromString(tensor(array).SerializeToString()))
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


@given(hnp.arrays(st.sampled_from([">i4", ">i8", ">f4", ">f8"]), shapes))
def test_byte_order_is_little_endian_whatever_the_array_has(array: NDArray[np.generic]) -> None:
    assert tensor(array).data == array.astype(array.dtype.newbyteorder("<")).tobytes()


@given(hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=3)))
def test_memory_layout_does_not_matter(array: NDArray[np.generic]) -> None:
    np.testing.assert_array_equal(decode(tensor(array.T)), array.T)


@given(st.sampled_from(range(1, 6)), st.lists(st.integers(-3, 2**62), max_size=4), st.binary(max_size=64))
def test_any_message_is_decoded_exactly_or_refused(element_type: int, shape: list[int], data: bytes) -> None:
    message = tensor_pb2.Tensor(element_type=element_type, shape=shape, data=data)  # type: ignore[arg-type]
    try:
        array = decode(message)
    except ProtocolError:
        return
    assert array.nbytes == len(data)
    assert list(array.shape) == shape


def test_decoded_arrays_are_read_only() -> None:
    array = decode(tensor(np.zeros(3, np.float32)))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (tensor_pb2.Tensor(shape=[1], data=b"\0"), "element type 0"),
        (
            tensor_pb2.Tensor(element_type=tensor_pb2.ELEMENT_TYPE_FLOAT32, shape=[2, 2], data=bytes(15)),
            r"float32 \[2, 2\] takes 16 bytes, not 15",
        ),
        (
            tensor_pb2.Tensor(element_type=tensor_pb2.ELEMENT_TYPE_FLOAT32, shape=[-1], data=b""),
            r"impossible shape \[-1\]",
        ),
        (
            tensor_pb2.Tensor(element_type=tensor_pb2.ELEMENT_TYPE_FLOAT64, shape=[2**62, 0, 2**62], data=b""),
            "impossible shape",
        ),
        (tensor_pb2.Tensor(element_type=tensor_pb2.ELEMENT_TYPE_UINT8, shape=[1] * 80, data=b"\0"), "impossible shape"),
    ],
)
def test_nonsense_is_refused(message: tensor_pb2.Tensor, expected: str) -> None:
    with pytest.raises(ProtocolError, match=expected):
        decode(message)


@pytest.mark.parametrize("dtype", [bool, "float16", "complex64", "U3", object])
def test_other_types_are_refused(dtype: str) -> None:
    with pytest.raises(KeyError):
        tensor(np.zeros(2, dtype))
