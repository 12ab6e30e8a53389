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
        restarts: how many restarts follow.
        blob: digest of the candidate itself.
    """

    number: int
    first: int
    restarts: int
    blob: str


def read_candidates(connection: redis.Redis, job_id: str, number: int) -> list[Candidate]:
    """Return the candidates for an image, by restart; none once the job has the image, or has ended."""
    noted: bytes | None = connection.hget(key("candidates", job_id), str(number))  # type: ignore[assignment]  # bytes
    entries = (entry.split(":") for entry in (noted or b"").decode().split())
    found = [Candidate(number=number, first=int(each[0]), restarts=int(each[1]), blob=each[2]) for each in entries]
    return sorted(found, key=lambda each: each.first)
