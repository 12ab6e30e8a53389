"""MNIST's gzipped files: found in a folder or downloaded, and checked."""

import gzip
import hashlib
import io
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from convscope.engine.data.download import download
from convscope.engine.data.settings import DataSettings
from convscope.engine.errors import DatasetError

__all__ = ["Archive", "read_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A gzipped file: its name, and the size in bytes and the SHA-256 of its content."""

    name: str
    size: int
    sha256: str


def read_archive(archive: Archive) -> bytes:
    """Return the content of a file from the first folder that has it; if none has, download and keep it.

    Raises:
        DatasetError: naming the file, if it is damaged or cannot be downloaded.
    """
    try:
        settings = DataSettings.from_environment()
    except ValueError as error:
        raise DatasetError(str(error)) from error
    kept = settings.home / "data" / "mnist"
    for folder in [*([settings.folder / "mnist"] if settings.folder else []), *_checkout(), kept]:
        path = folder / archive.name
        if path.is_file():
            return _checked(archive, _read(path), origin=str(path))
    return _fetched(archive, kept, settings.mirror)


def _checkout() -> list[Path]:
    """Return the dataset's folder in the checkout that holds this file; empty for an installed package."""
    root = Path(__file__).resolve().parents[4]
    return [root / "data" / "mnist"] if (root / "pyproject.toml").is_file() else []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def _checked(archive: Archive, compressed: bytes, *, origin: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(compressed)) as file:
            content = file.read(archive.size + 1)  # no more: a wrong file may hold any amount
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{origin} is damaged: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != archive.sha256:
        raise DatasetError(f"{origin} has the wrong checksum: its content's SHA-256 is {digest}, not {archive.sha256}")
    return content


def _fetched(archive: Archive, folder: Path, mirror: str | None) -> bytes:
    compressed, content = download(
        archive.name, mirror=mirror, unpack=lambda data: _checked(archive, data, origin=archive.name)
    )
    _keep(folder / archive.name, compressed)
    return content


def _keep(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that other processes see all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror}") from error
