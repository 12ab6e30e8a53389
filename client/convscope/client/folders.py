"""Saving a stream of files as a folder that appears only when it is whole."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from convscope.client.errors import DataLoss, ProtocolError
from convscope.client.exporting import umask

__all__ = ["save_folder"]


def save_folder(pieces: Iterable[tuple[str, bytes]], folder: Path, *, last: str) -> Path:
    """Writes files into a temporary folder beside `folder`, and renames it when all have come.

    Args:
        pieces: Path and next bytes, the pieces of a file one after another.
        folder: Must not exist, or be empty.
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
            _write(made / _inside(path), (data for _, data in group))
        if path != last:
            raise DataLoss(f"{folder.name}: the server broke off before {last}")
        made.chmod(0o777 & ~umask())
        made.replace(folder)
    return folder


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


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
