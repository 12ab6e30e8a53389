"""Archives beyond what the zip format counts in 32 and 16 bits: NumPy reads them."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from convscope.service.npz import NpzWriter

MIB = 2**20


def write(writer: NpzWriter, path: Path) -> None:
    """Append what a writer has; zeros take no space on the disk."""
    data = writer.take()
    with path.open("ab") as file:
        if data.count(0) == len(data):
            file.truncate(file.tell() + len(data))
        else:
            file.write(data)


@pytest.mark.slow
def test_arrays_of_more_than_4_gib(tmp_path: Path) -> None:
    """One that is larger itself, and one that begins beyond."""
    path, zeros, count = tmp_path / "a.npz", bytes(16 * MIB), 264
    writer = NpzWriter()
    writer.begin("layer/best", "<f4", (count, 4 * MIB))
    for _ in range(count):
        writer.write(zeros)
        write(writer, path)
    writer.begin("layer/features", "<i4", (3,))
    writer.write(np.array([4, 5, 6], "<i4").tobytes())
    writer.finish()
    write(writer, path)
    assert path.stat().st_size > 2**32
    with np.load(path) as arrays:
        assert arrays["layer/features"].tolist() == [4, 5, 6]
    with zipfile.ZipFile(path) as file:
        assert file.getinfo("layer/best.npy").file_size == 128 + count * 16 * MIB
        assert file.testzip() is None


@pytest.mark.slow
def test_more_arrays_than_a_zip_file_without_extensions_has(tmp_path: Path) -> None:
    path, count = tmp_path / "a.npz", 2**16 + 1
    writer = NpzWriter()
    for number in range(count):
        writer.begin(f"layer{number}/features", "<i4", (1,))
        writer.write(np.array([number], "<i4").tobytes())
    writer.finish()
    write(writer, path)
    with np.load(path) as arrays:
        assert len(arrays.files) == count
        assert arrays[f"layer{count - 1}/features"].tolist() == [count - 1]
