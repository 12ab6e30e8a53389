"""Files that appear under their name only when they are whole."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from convscope.client.errors import ConvscopeError

__all__ = ["atomic_write", "errors_naming", "is_stdout", "umask"]

# Descriptor of the standard output.
_STDOUT = 1


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write, which replaces ``path`` only when the block has ended well.

    A device, a pipe and the standard output are written directly: they must not be replaced.

    Raises:
        OSError: It cannot be written, or the disk is full.
    """
    with errors_naming(path):
        if is_stdout(path):
            with os.fdopen(os.dup(_STDOUT), "wb") as file:  # where it stands: what is there already stays
                yield file
            return
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
            return
        target = path.resolve()  # a link stays a link
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o666 & ~umask())
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)


def is_stdout(path: Path) -> bool:
    """Return whether a path is what the standard output goes to, as ``/dev/stdout`` is."""
    try:
        return os.path.samestat(path.stat(), os.fstat(_STDOUT))
    except OSError:  # there is no such file, or no standard output
        return False


@contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """Make errors of the file system name this path, which the user knows, not a temporary one or none."""
    try:
        yield
    except ConvscopeError:  # a deadline is an OSError too
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def umask() -> int:
    """Return the permissions that new files lack by default; mkstemp creates private ones."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
