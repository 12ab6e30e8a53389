"""The event log of every job: sequences 1, 2, 3, ... without gaps.

Each entry has a token, which depends on all entries up to it. Whoever reads on tells by the token of the last entry
read whether it is still the same log: Redis may have lost its end, and what was appended since has the same numbers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import redis

from convscope.store.blobs import BlobStore
from convscope.store.errors import LogLostError, NotFoundError
from convscope.store.jobs.records import text
from convscope.store.redis.keys import key
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["LogEntry", "LogPage", "hydrate", "link", "read_log"]

# Characters of a token: 64 bits of a SHA-1, which is to tell accidents, not forgeries.
TOKEN_LENGTH = 16


def link(token: str, time_ms: int, event: bytes, blob: str) -> str:
    """Return the token of an entry that follows the one with this token; ``""`` before the first."""
    text = token.encode() + b"%d " % time_ms + event + blob.encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()[:TOKEN_LENGTH]


# Where events that were seen are gone.
WHAT_TO_DO = ": Redis has lost events. GetJob tells how the job stands, a watch from the beginning what is left"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event as it is stored.

    Attributes:
        sequence: its number.
        time_ms: when it happened by Redis' clock, in milliseconds since 1970.
        event: its bytes, without what is kept elsewhere.
        blob: digest of the image or result that completes it, or ``""``.
        token: stands for the log up to it.
        completed: number of images so far, for the event of an image; else 0.
    """

    sequence: int
    time_ms: int
    event: bytes
    blob: str
    token: str
    completed: int = 0

    @classmethod
    def from_fields(cls, sequence: int, fields: Mapping[bytes, bytes]) -> "LogEntry":
        """Make an entry from a stream entry's fields."""
        return cls(
            sequence,
            int(fields[b"time"]),
            fields[b"event"],
            fields[b"blob"].decode(),
            fields[b"token"].decode(),
            int(fields[b"completed"]),
        )

    def follows(self, token: str) -> bool:
        """Whether it was appended to the log that a token stands for; ``""`` stands for any."""
        return not token or self.token == link(token, self.time_ms, self.event, self.blob)


@dataclass(frozen=True, slots=True)
class LogPage:
    """A stretch of a log, and whether it reaches the end of a job that has ended."""

    entries: list[LogEntry]
    complete: bool


def read_log(connection: redis.Redis, job_id: str, after: int, count: int, token: str = "") -> LogPage:
    """Return up to ``count`` entries with sequences ``after + 1``, ``after + 2``, ...; none if none has happened yet.

    Args:
        connection: Redis.
        job_id: whose log.
        after: sequence of the last entry read.
        count: how many entries at most.
        token: of the last entry read; ``""`` if unknown.

    Raises:
        NotFoundError: if there is no such job.
        LogLostError: if the log ends before ``after``, is another one up to there than the token stands for, or lacks
            entry ``after + 1``, which has happened.
    """
    with connection.pipeline(transaction=True) as pipeline:
        pipeline.hmget(key("job", job_id), "sequence", "ended", "log_token")
        pipeline.xrange(key("events", job_id), min=f"{after + 1}-0", count=count)
        (latest, ended, newest), found = pipeline.execute()
    if latest is None:
        raise NotFoundError(f"jobs/{job_id} does not exist")
    if after > int(latest):
        raise LogLostError(f"jobs/{job_id} has {int(latest)} events; there is none with sequence {after}{WHAT_TO_DO}")
    numbered = (LogEntry.from_fields(int(entry.partition(b"-")[0]), fields) for entry, fields in found)
    entries = [entry for due, entry in enumerate(numbered, after + 1) if entry.sequence == due]  # up to the first gap
    if after < int(latest) and not entries:
        raise LogLostError(
            f"event {after + 1} of jobs/{job_id} is missing: Redis has lost events. GetJob tells how the job stands"
        )
    if not (entries[0].follows(token) if entries else token in {"", text(newest or b"")}):
        raise LogLostError(f"event {after} of jobs/{job_id} is not the one that was seen{WHAT_TO_DO}")
    return LogPage(entries, complete=ended is not None and after + len(entries) == int(latest))


def hydrate(entry: LogEntry, blobs: BlobStore) -> JobEvent:
    """Make the contract's event of an entry: number it and fill in the image or result kept as a blob.

    Raises:
        BlobDamagedError: if the blob is missing or damaged.
    """
    event = JobEvent.FromString(entry.event)
    event.sequence = entry.sequence
    event.time.FromMilliseconds(entry.time_ms)
    event.log_token = entry.token
    if entry.completed:
        event.image_ready.completed_count = entry.completed
    if entry.blob and event.HasField("image_ready"):
        event.image_ready.image.MergeFromString(blobs.get(entry.blob))
    elif entry.blob and event.HasField("finished"):
        event.finished.result.ParseFromString(blobs.get(entry.blob))
    return event
