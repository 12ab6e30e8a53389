"""Folders that appear only when they are whole."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from convscope.client.errors import DataLoss, ProtocolError
from convscope.client.saving import blaming, umask

__all__ = ["NewFolder", "new_folder"]


class NewFolder:
    """Files that come piece by piece, one file after another.

    Attributes:
        path: The path of the latest file in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = ""
        self._folder = folder
        self._file: IO[bytes] | None = None

    def write(self, path: str, data: bytes) -> None:
        """Write the next bytes of a file.

        Raises:
            ProtocolError: A path that leads out of the folder, or that comes twice.
            OSError: It cannot be written.
        """
        if self._file is None or path != self.path:
            self.close()
            self._file, self.path = _create(self._folder / _inside(path)), path
        self._file.write(data)

    def close(self) -> None:
        """End the latest file."""
        if self._file:
            file, self._file = self._file, None
            file.close()


@contextlib.contextmanager
def new_folder(folder: Path, *, last: str) -> Iterator[NewFolder]:
    """A temporary folder beside `folder`, which is renamed when the block has ended well.

    Args:
        folder: Must not exist, or be empty. The folders above it are made if need be.
        last: The path that the last file must have.

    Raises:
        DataLoss: The files ended before the last one.
        ProtocolError: A path that leads out of the folder, or that comes twice.
        FileExistsError: There is something in the folder.
        OSError: It cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(17, "exists already", str(folder))
    with _temporary(folder) as made:
        files = NewFolder(made)
        with blaming(folder), contextlib.closing(files):
            yield files
        if files.path != last:
            raise DataLoss(f"{folder.name}: the server broke off before {last}")
        made.chmod(0o777 & ~umask())
        with blaming(folder):
            made.replace(folder)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is wanted; what is left of it and of the folders made above it goes at the end."""
    above = folder.absolute().parent
    missing = [each for each in (above, *above.parents) if not each.exists()]
    try:
        above.mkdir(parents=True, exist_ok=True)
        with blaming(folder):
            made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=above))
        try:
            yield made
        finally:
            _remove(made)
    finally:
        with contextlib.suppress(OSError):  # those that hold something stay, and so do those above them
            for each in missing:
                each.rmdir()


def _remove(made: Path) -> None:
    """Removes a folder, also if Ctrl-C is pressed once more."""
    try:
        shutil.rmtree(made, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _inside(path: str) -> PurePosixPath:
    """The path, which comes from a server that may be anyone's."""
    found = PurePosixPath(path)
    if not path or "\0" in path or found.is_absolute() or ".." in found.parts or not found.parts:
        raise ProtocolError(f"the server sent a file with the path {path!r}")
    return found


def _create(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise ProtocolError(f"the server sent the file {path.name} twice, or as a folder too") from None
