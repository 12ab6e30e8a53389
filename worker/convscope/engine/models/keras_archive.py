"""Checks of a Keras file before Keras opens it: sizes, checksums, and the weights' file."""

import io
import json
import zipfile
import zlib
from typing import Any, Final

import h5py

from convscope.engine.errors import ModelFileError

__all__ = ["CONFIG", "METADATA", "count_numbers", "open_archive", "read_config"]

CONFIG: Final = "config.json"
METADATA: Final = "metadata.json"
WEIGHTS: Final = "model.weights.h5"
# The members of a Keras file, and their largest unpacked sizes, in bytes.
LIMITS: Final = {CONFIG: 16 * 2**20, METADATA: 2**16, WEIGHTS: 4 * 2**30}
# Weights hardly shrink: a file that is packed by more than this factor is a decompression bomb.
MOST_SHRINKING: Final = 100
# NumPy's kinds of numbers: floats, integers, booleans; Keras stores bfloat16 as raw bytes.
NUMBERS: Final = "fiubV"


def open_archive(data: bytes) -> zipfile.ZipFile:
    """Open a Keras file and check its members, checksums included: Keras itself would accept damaged weights.

    Raises:
        ModelFileError: if a member is missing, damaged or too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        _check_members(archive)
        damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelFileError(f"the model's file is not a Keras file, or truncated: {error}") from error
    if damaged is not None:
        raise ModelFileError(f"the model's file is damaged: {damaged} does not match its checksum")
    return archive


def read_config(archive: zipfile.ZipFile) -> Any:
    """Return the model's configuration.

    Raises:
        ModelFileError: if it is not JSON.
    """
    try:
        return json.loads(archive.read(CONFIG))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"the model's configuration cannot be read: {error}") from error


def count_numbers(archive: zipfile.ZipFile) -> int:
    """Return how many numbers the weights' file holds, without following links and references.

    Raises:
        ModelFileError: if it holds anything but plain arrays of numbers that are stored in this file.
    """
    data = archive.read(WEIGHTS)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            arrays = _arrays(file, {file["/"]})
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"the model's weights cannot be read: {error}") from error
    if sum(array_bytes for _, array_bytes in arrays) > len(data):
        raise ModelFileError("the model's weights claim to be larger than their file")
    return sum(size for size, _ in arrays)


def _check_members(archive: zipfile.ZipFile) -> None:
    names = [member.filename for member in archive.infolist()]
    if sorted(names) != sorted(LIMITS):
        raise ModelFileError(f"the model's file has the members {names[:9]}; a Keras file has {sorted(LIMITS)}")
    for member in archive.infolist():
        if member.file_size > LIMITS[member.filename]:
            raise ModelFileError(f"{member.filename} of the model's file has more than {LIMITS[member.filename]} bytes")
        if member.file_size > MOST_SHRINKING * max(member.compress_size, 2**10):
            raise ModelFileError(f"{member.filename} of the model's file is packed more than {MOST_SHRINKING} times")


def _arrays(group: h5py.Group, seen: set[Any]) -> list[tuple[int, int]]:
    """Return the size of each array below a group, in numbers and in bytes.

    An object with two names is refused: a few such groups nested in each other contain too many arrays to count.
    """
    sizes = []
    for name in group:
        member = group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else None
        if member is None or member in seen:
            raise ModelFileError(f"the model's weights have a link at {group.name}/{name}")
        seen.add(member)
        if isinstance(member, h5py.Group):
            sizes += _arrays(member, seen)
        else:
            sizes.append(_array(member))
    return sizes


def _array(dataset: Any) -> tuple[int, int]:
    plain = isinstance(dataset, h5py.Dataset) and not dataset.is_virtual and dataset.external is None
    if not plain or dataset.chunks is not None or dataset.dtype.kind not in NUMBERS:
        raise ModelFileError(
            f"the model's weights have something at {dataset.name} that is not a plain array of numbers"
        )
    return int(dataset.size), int(dataset.nbytes)
