"""Writes files through to the disk: what a record points to must outlast a machine that dies."""

import contextlib
import errno
import os
import re
from collections.abc import Iterable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

__all__ = ["Disk"]

# Files and folders to write through at a time: a disk writes many together in little more time than one.
THREADS: Final = 16


class Disk:
    """The disk below a folder; safe to use from several threads.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="disk")  # starts none before it needs one
        self._begun: dict[str, list[Future[None]]] = {}
        self._listed: dict[Path, Future[None]] = {}  # the folders that were written to, as entries of other folders

    def begin(self, path: str) -> None:
        """Begin to write a file through, with the folders that lead to it, so that ``wait`` takes less time."""
        file = self._root / path
        folders = [folder for folder in file.parents if folder.is_relative_to(self._root) and folder != self._root]
        entries = [self._pool.submit(_sync, entry) for entry in (file, file.parent)]
        self._begun[path] = [*entries, *map(self._list, folders)]

    def wait(self, paths: Iterable[str]) -> None:
        """Wait until files are on the disk that were given to ``begin``; those that were deleted meanwhile are ignored.

        Raises:
            OSError: if the disk fails.
        """
        for entries in [self._begun.pop(path, []) for path in paths]:
            for entry in entries:
                entry.result()

    def is_done(self, paths: Iterable[str], within_s: float) -> bool:
        """Return whether ``wait`` for files would take no longer than ``within_s`` seconds, after at most as long."""
        entries = [entry for path in paths for entry in self._begun.get(path, [])]
        return not futures.wait(entries, within_s).not_done

    def write_through(self, path: str) -> None:
        """Write a file through, with the folders that lead to it.

        Raises:
            OSError: if the disk fails.
        """
        self.begin(path)
        self.wait([path])

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

    def _list(self, folder: Path) -> Future[None]:
        """Write a folder's entry through, once, since no process deletes folders."""
        listed = self._listed.get(folder)
        if listed is None or (listed.done() and listed.exception()):
            listed = self._listed[folder] = self._pool.submit(_sync, folder.parent)
        return listed


def _sync(entry: Path) -> None:
    """Write a file or folder through; one that is missing is ignored."""
    with contextlib.suppress(FileNotFoundError):
        opened = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(opened)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that does not sync folders
                raise
        finally:
            os.close(opened)
