"""Folders that appear only when they are whole."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from convscope.client.errors import DataLoss, ProtocolError
from convscope.client.saving import errors_naming, umask

__all__ = ["NewFolder", "new_folder"]


class NewFolder:
    """Writes files that arrive piece by piece, one file after another.

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
    """Yield a temporary folder beside ``folder``, which is renamed when the block has ended well.

    Args:
        folder: Must not exist, or be empty. Missing parent folders are created.
        last: The path that the last file must have.

    Raises:
        DataLoss: The files ended before the last one.
        ProtocolError: A path that leads out of the folder, or that comes twice.
        FileExistsError: There is something in the folder.
        OSError: It cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(17, "exists already", str(folder))
    with _temporary(folder) as temporary:
        files = NewFolder(temporary)
        with errors_naming(folder), contextlib.closing(files):
            yield files
        if files.path != last:
            raise DataLoss(f"{folder.name}: the server broke off before {last}")
        temporary.chmod(0o777 & ~umask())
        with errors_naming(folder):
            temporary.replace(folder)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Yield a folder beside the target; what is left of it and of the parents created for it is removed at the end."""
    above = folder.absolute().parent
    missing = [parent for parent in (above, *above.parents) if not parent.exists()]
    try:
        above.mkdir(parents=True, exist_ok=True)
        with errors_naming(folder):
            temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=above))
        try:
            yield temporary
        finally:
            _remove(temporary)
    finally:
        with contextlib.suppress(OSError):  # a folder that is not empty stays, and so do its parents
            for parent in missing:
                parent.rmdir()


def _remove(folder: Path) -> None:
    """Remove a folder, even if Ctrl-C is pressed again."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _inside(path: str) -> PurePosixPath:
    """Return the path if it stays inside the folder; it comes from a server that may be anyone's."""
    relative = PurePosixPath(path)
    if not path or "\0" in path or relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise ProtocolError(f"the server sent a file with the path {path!r}")
    return relative


def _create(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")
    except (FileExistsError, NotADirectoryError):
        raise ProtocolError(f"the server sent the file {path.name} twice, or as a folder too") from None
