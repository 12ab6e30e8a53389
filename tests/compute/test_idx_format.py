"""Files in the IDX format: what is encoded is decoded, and anything else is refused."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convscope.engine.data.idx import decode_idx
from convscope.engine.errors import DatasetError

arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6))


def encode(array: npt.NDArray[np.uint8]) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@given(arrays)
def test_what_is_encoded_is_decoded(array: npt.NDArray[np.uint8]) -> None:
    decoded = decode_idx(encode(array), name="x")
    assert decoded.shape == array.shape
    assert np.array_equal(decoded, array)


@given(arrays, st.data())
def test_every_truncation_is_refused_by_name(array: npt.NDArray[np.uint8], data: st.DataObject) -> None:
    whole = encode(array)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DatasetError, match="some-file"):
        decode_idx(whole[:cut], name="some-file")


@pytest.mark.parametrize("magic", [b"\0\1\x08\x01", b"\0\0\x09\x01", b"\x1f\x8b\x08\x01"])
def test_a_wrong_magic_number_is_refused(magic: bytes) -> None:
    with pytest.raises(DatasetError, match="not an IDX file"):
        decode_idx(magic + bytes(8), name="x")


def test_surplus_bytes_are_refused() -> None:
    with pytest.raises(DatasetError, match="8 bytes"):
        decode_idx(b"\0\0\x08\x01\0\0\0\0"[:4] + b"\0\0\0\1" + b"ab", name="10 for 8 bytes")
