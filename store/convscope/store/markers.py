"""Whose an artifact store is: markers that tell the deployment's id and epoch, in the store itself.

Each epoch has a marker of its own, which is created once and never changed, so that of several deployments that want
the next epoch one gets it. The latest one counts. ``deployment/guests/`` names those who write here though the store is
not theirs.
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

# What this version writes, and the latest that it can read.
FORMAT = 1

# Markers that stay beside the latest one: a process that is late may still be about to create one of them.
KEPT = 8

ID = re.compile(r"[a-z0-9]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a marker says.

    Attributes:
        deployment: the deployment's id.
        epoch: from 1.
        token: drawn for this epoch, and noted in Redis before the marker is made.
        adopted: whether a Redis took the store over with it.
    """

    deployment: str
    epoch: int
    token: str
    adopted: bool = False

    def to_bytes(self) -> bytes:
        """Write it as a file."""
        fields = {"format": FORMAT, "deployment": self.deployment, "epoch": self.epoch, "token": self.token}
        return json.dumps({**fields, "adopted": self.adopted}, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class MarkerFile:
    """A marker's file that was read; without a marker, the fault says why."""

    marker: Marker | None
    fault: Literal["", "unreadable", "newer"] = ""


def parse_marker(data: bytes) -> MarkerFile:
    """Read what ``Marker.to_bytes`` wrote; what is anything else is a fault."""
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
    """What the artifact store says of whose it is.

    Attributes:
        marker: the latest one.
        fault: why there is none, though there is a file.
        epoch: of the latest marker's file, 0 if there is none.
        written: when that was, by the store's clock.
        guests: who writes here though the store is another's.
        used: whether there are blobs or manifests; looked up only where there is no marker.
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
        """Read whose the store is.

        Raises:
            BlobError: if the store cannot be read.
        """
        found = [each for batch in self._objects.list(FOLDER) for each in batch if each.path != CLOCK]
        guests = tuple(sorted(each.path.removeprefix(GUESTS) for each in found if each.path.startswith(GUESTS)))
        markers = [each for each in found if not each.path.startswith(GUESTS)]
        if not markers:
            return StoreSide(guests=guests, used=self._used())
        latest = max(markers, key=lambda each: (_epoch(each.path), each.path))
        side = StoreSide(epoch=_epoch(latest.path), written=latest.written, guests=guests)
        if not all(PATH.fullmatch(each.path) for each in markers):
            return replace(side, fault="newer")
        read = parse_marker(self._objects.get(latest.path) or b"")
        if read.marker and read.marker.epoch != side.epoch:
            return replace(side, fault="unreadable")
        return replace(side, marker=read.marker, fault=read.fault)

    def create(self, marker: Marker) -> bool:
        """Make an epoch's marker; returns False if there is one already.

        Raises:
            BlobError: if the store cannot be written.
        """
        return self._objects.create(_path(marker.epoch), marker.to_bytes())

    def prune(self, epoch: int) -> None:
        """Delete the markers of epochs long before this one."""
        found = [each.path for batch in self._objects.list(FOLDER) for each in batch]
        if old := [path for path in found if PATH.fullmatch(path) and _epoch(path) < epoch - KEPT]:
            self._objects.delete(old)

    def add_guest(self, name: str) -> None:
        """Tell the store's owner that another one writes here."""
        self._objects.create(f"{GUESTS}{name}", b"")

    def forget_guests(self, guests: Sequence[str]) -> None:
        """Delete notes of guests."""
        if guests:
            self._objects.delete([f"{GUESTS}{name}" for name in guests])

    def _used(self) -> bool:
        return any(batch for folder in ("blobs", "manifests") for batch in self._objects.list(folder))


def _epoch(path: str) -> int:
    match = PATH.fullmatch(path)
    return int(match[1]) if match else 0


def _path(epoch: int) -> str:
    return f"{FOLDER}/epoch-{epoch:012d}.json"
