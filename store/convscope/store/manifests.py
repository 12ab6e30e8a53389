"""Manifests: copies of records in the artifact store, from which lost records are restored.

There is one for each model that is ready; the collection is part of the name, so that datasets can have them too. A
manifest is written once and does not change until deleting the record makes it a tombstone.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime  # noqa: TC003 - named in an annotation
from typing import Any

from convscope.store.errors import ManifestError
from convscope.store.names import ID_PATTERN
from convscope.store.objects import Objects

__all__ = ["Manifest", "Manifests"]

FOLDER = "manifests"
PATH = re.compile(rf"{FOLDER}/([a-z]{{1,32}})/({ID_PATTERN.pattern})\.json")

# The format that this version writes, and the latest that it can read.
FORMAT = 1

DIGEST = re.compile(r"[0-9a-f]{64}")
ROLE = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The copy of a record.

    Attributes:
        collection: ``models`` or ``datasets``; a newer version may have others.
        identifier: the record's id.
        deployment: id of the deployment that wrote it.
        record: the contract's message, serialized.
        files: digests of the blobs that the record needs, by role.
        deleted: whether it is a tombstone: the record was deleted, and must not be restored.
    """

    collection: str
    identifier: str
    deployment: str
    record: bytes
    files: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False

    @property
    def name(self) -> str:
        """``models/ID``."""
        return f"{self.collection}/{self.identifier}"

    def to_bytes(self) -> bytes:
        """Return it as the bytes of a file."""
        fields = {
            "format": FORMAT,
            "name": self.name,
            "state": "deleted" if self.deleted else "ready",
            "deployment": self.deployment,
            "files": dict(self.files),
            "record": base64.b64encode(self.record).decode(),
        }
        return json.dumps(fields, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> "Manifest":
        """Parse what ``to_bytes`` returned.

        Args:
            name: ``models/ID``, from the file's path.
            data: the file's bytes.

        Raises:
            ManifestError: if they are malformed, or come from a newer version.
        """
        try:
            fields = json.loads(data)
            if isinstance(fields["format"], int) and fields["format"] > FORMAT:
                raise ManifestError(f"the manifest of {name} was written by a newer version")
            return _from_fields(name, fields)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ManifestError(f"the manifest of {name} cannot be read") from error


def _from_fields(name: str, fields: Mapping[str, Any]) -> Manifest:
    files, record, deployment = fields["files"], fields["record"], fields["deployment"]
    if not isinstance(files, dict) or not isinstance(record, str) or not isinstance(deployment, str):
        raise TypeError
    fits = all(ROLE.fullmatch(role) and DIGEST.fullmatch(digest) for role, digest in files.items())
    if not fits or fields["format"] != FORMAT or fields["name"] != name or fields["state"] not in {"ready", "deleted"}:
        raise ValueError
    collection, _, identifier = name.partition("/")
    return Manifest(
        collection=collection,
        identifier=identifier,
        deployment=deployment,
        record=base64.b64decode(record, validate=True),
        files=files,
        deleted=fields["state"] == "deleted",
    )


class Manifests:
    """The manifests in one artifact store; safe to use from several threads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        # Times when manifests were written, as of the last listing; tombstones, and when they were written.
        self._written: dict[str, datetime] = {}
        self._dead: dict[str, datetime] = {}

    def names(self) -> set[str]:
        """Return the names of all records that have a manifest, those with a tombstone included.

        Raises:
            BlobError: if the store cannot be read.
        """
        files = [file for batch in self._objects.list(FOLDER) for file in batch]
        matches = [(PATH.fullmatch(file.path), file.written) for file in files]
        self._written = {f"{match[1]}/{match[2]}": written for match, written in matches if match}
        return set(self._written)

    def unknown_paths(self) -> list[str]:
        """Return the paths of files in the folder that are not manifests."""
        paths = [file.path for batch in self._objects.list(FOLDER) for file in batch]
        return [path for path in paths if not PATH.fullmatch(path)]

    def read(self, name: str) -> Manifest | None:
        """Return the manifest of a record; None if it has none.

        Raises:
            ManifestError: if it cannot be read, or comes from a newer version.
            BlobError: if the store cannot be read.
        """
        data = self._objects.get(_path(name))
        return None if data is None else Manifest.from_bytes(name, data)

    def is_dead(self, name: str) -> bool:
        """Return whether a record has a tombstone; tombstones are cached until a listing shows that they have changed.

        Raises:
            ManifestError: if its manifest cannot be read, or comes from a newer version.
            BlobError: if the store cannot be read.
        """
        written = self._written.get(name)
        if written and self._dead.get(name) == written:
            return True
        manifest = self.read(name)
        dead = bool(manifest and manifest.deleted)
        if dead and written:
            self._dead[name] = written
        return dead

    def create(self, manifest: Manifest) -> bool:
        """Write the manifest of a record unless it has one; return whether it was written.

        Raises:
            BlobError: if the store cannot be written.
        """
        return self._objects.create(_path(manifest.name), manifest.to_bytes())

    def replace(self, manifest: Manifest) -> None:
        """Write a manifest in place of an existing one.

        Raises:
            BlobError: if the store cannot be written.
        """
        self._objects.put(_path(manifest.name), manifest.to_bytes())

    def bury(self, manifest: Manifest) -> None:
        """Write a tombstone for a record, whether or not it has a manifest.

        Raises:
            BlobError: if the store cannot be written.
        """
        self.replace(replace(manifest, deleted=True))

    def named_files(self, names: set[str]) -> Iterator[tuple[str, str]]:
        """Yield the digest of each file that these manifests name, and the manifest's name; tombstones are left out.

        Raises:
            ManifestError: if one cannot be read, or comes from a newer version.
            BlobError: if the store cannot be read.
        """
        for name in sorted(names):
            if not self.is_dead(name) and (manifest := self.read(name)):
                yield from ((digest, name) for digest in manifest.files.values())


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.json"
