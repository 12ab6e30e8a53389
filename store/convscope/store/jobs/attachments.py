"""What a job leaves beside its result, which is too large for it: its record names the blobs."""

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.store.redis.scripts import Value

__all__ = ["EXAMPLES_BYTES", "Attachments", "ExamplesBlob", "read_examples"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What the end of a job attaches to it.

    Attributes:
        examples: by rising index.
    """

    examples: Sequence[ExamplesBlob] = ()

    @property
    def blobs(self) -> list[str]:
        """Digests of all blobs."""
        return [blob.digest for blob in self.examples]

    @property
    def fields(self) -> dict[str, Value]:
        """Fields of the job's record."""
        if not self.examples:
            return {}
        return {"examples": " ".join(f"{blob.first}:{blob.digest}" for blob in self.examples)}


def read_examples(field: str) -> list[ExamplesBlob]:
    """Read what ``Attachments.fields`` has of examples."""
    pairs = (noted.split(":") for noted in field.split())
    return [ExamplesBlob(int(first), digest) for first, digest in pairs]
