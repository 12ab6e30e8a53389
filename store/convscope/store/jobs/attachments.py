"""Outputs of a job that are too large for its result: the job's record names their blobs."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from convscope.store.redis.scripts import Value

__all__ = ["EXAMPLES_BYTES", "Attachments", "ExamplesBlob", "StoredFile", "read_examples", "read_files"]

# The most bytes of a blob of examples, unless it has only one.
EXAMPLES_BYTES = 2 * 2**20


@dataclass(frozen=True, slots=True)
class ExamplesBlob:
    """Some of the examples that an evaluation kept.

    Attributes:
        first: index of the first of them in their split.
        digest: digest of the blob, a ``ListExamplesResponse``.
    """

    first: int
    digest: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a job.

    Attributes:
        name: its name among the job's files.
        media_type: its media type.
        digest: digest of the blob.
        size: its size in bytes.
    """

    name: str
    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What a job attaches to its record at its end.

    Attributes:
        examples: blobs of examples, by ascending index.
        files: files with different names.
    """

    examples: Sequence[ExamplesBlob] = ()
    files: Sequence[StoredFile] = ()

    @property
    def blobs(self) -> list[str]:
        """Digests of all blobs."""
        return [blob.digest for blob in self.examples] + [file.digest for file in self.files]

    @property
    def fields(self) -> dict[str, Value]:
        """Fields of the job's record."""
        fields: dict[str, Value] = {}
        if self.examples:
            fields["examples"] = " ".join(f"{blob.first}:{blob.digest}" for blob in self.examples)
        if self.files:
            fields["files"] = json.dumps([astuple(file) for file in self.files])
        return fields


def read_files(field: str) -> list[StoredFile]:
    """Parse the field of files that ``Attachments.fields`` wrote; sorted by name."""
    return sorted((StoredFile(*values) for values in json.loads(field)), key=lambda file: file.name)


def read_examples(field: str) -> list[ExamplesBlob]:
    """Parse the field of examples that ``Attachments.fields`` wrote."""
    pairs = (noted.split(":") for noted in field.split())
    return [ExamplesBlob(int(first), digest) for first, digest in pairs]
