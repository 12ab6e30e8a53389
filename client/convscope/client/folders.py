"""Saving a stream of files as a folder that appears only when it is whole."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from convscope.client.errors import DataLoss, ProtocolError
from convscope.client.exporting import blaming, umask

__all__ = ["save_folder"]


def save_folder(pieces: Iterable[tuple[str, bytes]], folder: Path, *, last: str) -> Path:
    """Writes files into a temporary folder beside `folder`, and renames it when all have come.

    Args:
        pieces: Path and next bytes, the pieces of a file one after another.
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
        path = ""
        for path, group in groupby(pieces, key=lambda piece: piece[0]):
            with blaming(folder):
                _write(made / _inside(path), (data for _, data in group))
        if path != last:
            raise DataLoss(f"{folder.name}: the server broke off before {last}")
        made.chmod(0o777 & ~umask())
        with blaming(folder):
            made.replace(folder)
    return folder


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


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
    except (FileExistsError, NotADirectoryError):
        raise ProtocolError(f"the server sent the file {path.name} twice, or as a folder too") from None
