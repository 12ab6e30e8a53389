"""Files that appear under their name only when they are whole."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from convscope.client.errors import ConvscopeError

__all__ = ["blaming", "umask", "written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which is at `path` only when the block has ended well; until then whatever was there stays.

    A device or a pipe is written as it is: there is nothing to be kept, and it is not to be replaced.

    Raises:
        OSError: It cannot be written, or the disk is full.
    """
    with blaming(path):
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


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Has errors of the file system name this path, which the user knows, not a temporary one beside it or none."""
    try:
        yield
    except ConvscopeError:  # a deadline is an OSError too
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def umask() -> int:
    """What a file made in the ordinary way lacks; mkstemp makes private ones."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
