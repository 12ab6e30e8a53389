"""Candidates for the image of a feature whose restarts several parts compute: the best of each part's restarts."""

from dataclasses import dataclass

import redis

from convscope.store.redis.keys import key

__all__ = ["Candidate", "read_candidates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The best image of a run of restarts.

    Attributes:
        number: number of the image, in the job, that it is a candidate for.
        first: the first restart.
        restarts: number of restarts from there on.
        blob: digest of the candidate itself.
    """

    number: int
    first: int
    restarts: int
    blob: str


def read_candidates(connection: redis.Redis, job_id: str, number: int) -> list[Candidate]:
    """Return the candidates for an image, by restart; none once the job has the image, or has ended."""
    stored: bytes | None = connection.hget(key("candidates", job_id), str(number))  # type: ignore[assignment]  # bytes
    entries = (entry.split(":") for entry in (stored or b"").decode().split())
    candidates = [
        Candidate(number=number, first=int(first), restarts=int(restarts), blob=blob)
        for first, restarts, blob in entries
    ]
    return sorted(candidates, key=lambda candidate: candidate.first)
