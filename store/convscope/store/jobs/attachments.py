"""What a job leaves beside its result, which is too large for it: its record names the blobs."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from convscope.store.redis.scripts import Value

__all__ = ["EXAMPLES_BYTES", "Attachments", "ExamplesBlob", "StoredFile", "read_examples", "read_files"]

# What a blob of examples has at most, in bytes, unless there is but one in it.
EXAMPLES_BYTES = 2 * 2**20


@dataclass(frozen=True, slots=True)
class ExamplesBlob:
    """Some of the examples that an evaluation kept.

    Attributes:
        first: index of the first of them in their split.
        digest: of the blob, a ``ListExamplesResponse``.
    """

    first: int
    digest: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a job.

    Attributes:
        name: its name among the job's files.
        media_type: what is in it.
        digest: of the blob.
        size: bytes.
    """

    name: str
    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What the end of a job attaches to it.

    Attributes:
        examples: by rising index.
        files: of different names.
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
    """Read what ``Attachments.fields`` has of files; by name."""
    return sorted((StoredFile(*values) for values in json.loads(field)), key=lambda file: file.name)


def read_examples(field: str) -> list[ExamplesBlob]:
    """Read what ``Attachments.fields`` has of examples."""
    pairs = (noted.split(":") for noted in field.split())
    return [ExamplesBlob(int(first), digest) for first, digest in pairs]
