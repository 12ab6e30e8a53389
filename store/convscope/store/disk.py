"""Writes files through to the disk: what a record points to must outlast a machine that dies."""

import contextlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

__all__ = ["Disk"]

# Files to write through at a time: a disk writes many together in little more time than one.
THREADS: Final = 8


class Disk:
    """The disk below a folder; safe to use from several threads.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")  # starts none before it needs one
        self._begun: dict[str, Future[None]] = {}
        self._lasting: set[Path] = set()  # folders that are known to be on the disk

    def begin(self, path: str) -> None:
        """Begin to write a file through, so that ``wait`` takes less time."""
        self._begun[path] = self._pool.submit(self.write_through, path)

    def wait(self, paths: Iterable[str]) -> None:
        """Wait until files are on the disk that were given to ``begin``.

        Raises:
            OSError: if the disk fails.
        """
        for begun in [self._begun.pop(path, None) for path in paths]:
            if begun:
                begun.result()

    def write_through(self, path: str) -> None:
        """Write a file through, with the folders that lead to it; one that was deleted meanwhile is ignored.

        Raises:
            OSError: if the disk fails.
        """
        file = self._root / path
        with contextlib.suppress(FileNotFoundError):
            _sync(file)
        _sync(file.parent)
        self._keep_folder(file.parent)

    def remove_staged(self, folder: str, name: re.Pattern[str], oldest: datetime) -> int:
        """Remove what writers that died left of files in the folders of a folder; return how many they were.

        Args:
            folder: path of the folder.
            name: of the files to remove.
            oldest: files that were written later are not removed.

        Raises:
            OSError: if the disk fails.
        """
        found = [file for file in (self._root / folder).glob("*/*#*") if name.fullmatch(file.name)]
        removed = 0
        for file in found:
            with contextlib.suppress(FileNotFoundError):  # its writer has finished it
                if file.stat().st_mtime <= oldest.timestamp():
                    file.unlink()
                    removed += 1
        return removed

    def _keep_folder(self, folder: Path) -> None:
        """Write through where a folder is listed, once: no process deletes folders."""
        if folder != self._root and folder not in self._lasting:
            _sync(folder.parent)
            self._keep_folder(folder.parent)
            self._lasting.add(folder)


def _sync(entry: Path) -> None:
    opened = os.open(entry, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
