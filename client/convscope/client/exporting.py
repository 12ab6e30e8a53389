"""Saving a stream of bytes under its name only when it is whole."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from convscope.client.errors import DataLoss

__all__ = ["save"]


def save(pieces: Iterable[bytes], path: Path, sha256: str) -> None:
    """Writes the pieces to a temporary file beside `path`, checks its SHA-256 and renames it.

    Raises:
        DataLoss: The bytes do not have this SHA-256; whatever was at `path` is left as it was.
        OSError: The folder does not exist or cannot be written.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    digest = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            raise DataLoss(f"{path.name}: the bytes received have SHA-256 {digest.hexdigest()}, not {sha256}")
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    """What a file made in the ordinary way lacks; mkstemp makes private ones."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
