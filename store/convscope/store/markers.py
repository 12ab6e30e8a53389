"""Markers in an artifact store, which name the deployment that owns it and the epoch.

Each epoch has a separate marker, which is created once and never changed, so that only one of several deployments gets
the next epoch. The latest marker counts. ``deployment/guests/`` names other deployments that write to the store.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from convscope.store.objects import CLOCK, Objects

__all__ = ["Marker", "MarkerFile", "Markers", "StoreSide", "parse_marker"]

FOLDER = "deployment"
GUESTS = f"{FOLDER}/guests/"
PATH = re.compile(rf"{FOLDER}/epoch-([0-9]{{12}})\.json")
LARGEST_EPOCH = 10**12 - 1

NEVER = datetime.fromtimestamp(0, UTC)

# The format that this version writes, and the latest that it can read.
FORMAT = 1

# Markers kept in addition to the latest one: a late process may still be about to create one of them.
KEPT = 8

ID = re.compile(r"[a-z0-9]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The content of a marker.

    Attributes:
        deployment: the deployment's id.
        epoch: the epoch, from 1.
        token: drawn for this epoch, and noted in Redis before the marker is created.
        adopted: whether a Redis adopted the store with it.
    """

    deployment: str
    epoch: int
    token: str
    adopted: bool = False

    def to_bytes(self) -> bytes:
        """Return it as the bytes of a file."""
        fields = {"format": FORMAT, "deployment": self.deployment, "epoch": self.epoch, "token": self.token}
        return json.dumps({**fields, "adopted": self.adopted}, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class MarkerFile:
    """A parsed marker file; if there is no marker, the fault says why."""

    marker: Marker | None
    fault: Literal["", "unreadable", "newer"] = ""


def parse_marker(data: bytes) -> MarkerFile:
    """Parse what ``Marker.to_bytes`` returned; anything else is a fault."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return MarkerFile(None, "unreadable")
    if not isinstance(fields, dict) or not _is_count(fields.get("format")):
        return MarkerFile(None, "unreadable")
    if fields["format"] > FORMAT:
        return MarkerFile(None, "newer")
    marker = _marker(fields)
    return MarkerFile(marker, "" if marker else "unreadable")


def _marker(fields: dict[str, object]) -> Marker | None:
    deployment, epoch, token, adopted = (fields.get(name) for name in ("deployment", "epoch", "token", "adopted"))
    if not (
        isinstance(deployment, str) and ID.fullmatch(deployment) and isinstance(token, str) and ID.fullmatch(token)
    ):
        return None
    if not (_is_count(epoch) and isinstance(epoch, int) and epoch <= LARGEST_EPOCH and isinstance(adopted, bool)):
        return None
    return Marker(deployment=deployment, epoch=epoch, token=token, adopted=adopted)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSide:
    """Owner and epoch in the artifact store.

    Attributes:
        marker: the latest marker, if it can be read.
        fault: why the latest marker cannot be read.
        epoch: epoch in the latest marker's file name, 0 if there is none.
        written: when the latest marker was written, by the store's clock.
        guests: other deployments that write to the store.
        used: whether there are blobs or manifests; looked up only if there is no marker.
    """

    marker: Marker | None = None
    fault: Literal["", "unreadable", "newer"] = ""
    epoch: int = 0
    written: datetime = NEVER
    guests: tuple[str, ...] = ()
    used: bool = True


class Markers:
    """The markers of one artifact store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def read(self) -> StoreSide:
        """Read owner and epoch.

        Raises:
            BlobError: if the store cannot be read.
        """
        files = [file for batch in self._objects.list(FOLDER) for file in batch if file.path != CLOCK]
        guests = tuple(sorted(file.path.removeprefix(GUESTS) for file in files if file.path.startswith(GUESTS)))
        markers = [file for file in files if not file.path.startswith(GUESTS)]
        if not markers:
            return StoreSide(guests=guests, used=self._used())
        latest = max(markers, key=lambda marker: (_epoch(marker.path), marker.path))
        side = StoreSide(epoch=_epoch(latest.path), written=latest.written, guests=guests)
        if not all(PATH.fullmatch(marker.path) for marker in markers):
            return replace(side, fault="newer")
        content = parse_marker(self._objects.get(latest.path) or b"")
        if content.marker and content.marker.epoch != side.epoch:
            return replace(side, fault="unreadable")
        return replace(side, marker=content.marker, fault=content.fault)

    def create(self, marker: Marker) -> bool:
        """Create an epoch's marker; return False if there is one already.

        Raises:
            BlobError: if the store cannot be written.
        """
        return self._objects.create(_path(marker.epoch), marker.to_bytes())

    def prune(self, epoch: int) -> None:
        """Delete the markers of epochs long before this one."""
        paths = [file.path for batch in self._objects.list(FOLDER) for file in batch]
        if old := [path for path in paths if PATH.fullmatch(path) and _epoch(path) < epoch - KEPT]:
            self._objects.delete(old)

    def add_guest(self, name: str) -> None:
        """Note for the store's owner that another deployment writes to it."""
        self._objects.create(f"{GUESTS}{name}", b"")

    def forget_guests(self, guests: Sequence[str]) -> None:
        """Delete the notes of guests."""
        if guests:
            self._objects.delete([f"{GUESTS}{name}" for name in guests])

    def _used(self) -> bool:
        return any(batch for folder in ("blobs", "manifests") for batch in self._objects.list(folder))


def _epoch(path: str) -> int:
    match = PATH.fullmatch(path)
    return int(match[1]) if match else 0


def _path(epoch: int) -> str:
    return f"{FOLDER}/epoch-{epoch:012d}.json"
