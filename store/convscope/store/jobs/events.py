"""The event log of every job: sequences 1, 2, 3, ... without gaps.

Each entry has a token, which depends on all entries up to it. A reader that continues compares the token of the last
entry it read: Redis may have lost the log's end, and entries appended since then have the same numbers.
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

# Characters of a token: 64 bits of a SHA-1, which detects accidents, not forgeries.
TOKEN_LENGTH = 16


def link(token: str, time_ms: int, event: bytes, blob: str) -> str:
    """Return the token of an entry that follows the entry with ``token``, which is ``""`` before the first."""
    text = token.encode() + b"%d " % time_ms + event + blob.encode()
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()[:TOKEN_LENGTH]


# Added to messages about events that were seen and are gone.
WHAT_TO_DO = ": Redis has lost events. GetJob tells how the job stands, a watch from the beginning what is left"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event as it is stored.

    Attributes:
        sequence: its number, from 1.
        time_ms: when it happened by Redis' clock, in milliseconds since 1970.
        event: the serialized event, without its image or result.
        blob: digest of the image or result that completes it, or ``""``.
        token: identifies the log up to it.
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
        """Return whether it was appended to the log that a token identifies; ``""`` stands for any log."""
        return not token or self.token == link(token, self.time_ms, self.event, self.blob)


@dataclass(frozen=True, slots=True)
class LogPage:
    """Consecutive entries of a log, and whether they reach the end of a job that has ended."""

    entries: list[LogEntry]
    complete: bool


def read_log(connection: redis.Redis, job_id: str, after: int, count: int, token: str = "") -> LogPage:
    """Return up to ``count`` entries with sequences ``after + 1``, ``after + 2``, ...; none if none has happened yet.

    Args:
        connection: Redis.
        job_id: id of the job.
        after: sequence of the last entry read.
        count: maximum number of entries.
        token: token of the last entry read; ``""`` if unknown.

    Raises:
        NotFoundError: if the job does not exist.
        LogLostError: if the log ends before ``after``, is not the one that the token identifies, or lacks entry
            ``after + 1``, which has happened.
    """
    with connection.pipeline(transaction=True) as pipeline:
        pipeline.hmget(key("job", job_id), "sequence", "ended", "log_token")
        pipeline.xrange(key("events", job_id), min=f"{after + 1}-0", count=count)
        (latest, ended, newest), stored = pipeline.execute()
    if latest is None:
        raise NotFoundError(f"jobs/{job_id} does not exist")
    if after > int(latest):
        raise LogLostError(f"jobs/{job_id} has {int(latest)} events; there is none with sequence {after}{WHAT_TO_DO}")
    numbered = (LogEntry.from_fields(int(entry.partition(b"-")[0]), fields) for entry, fields in stored)
    # Up to the first gap.
    entries = [entry for sequence, entry in enumerate(numbered, after + 1) if entry.sequence == sequence]
    if after < int(latest) and not entries:
        raise LogLostError(
            f"event {after + 1} of jobs/{job_id} is missing: Redis has lost events. GetJob tells how the job stands"
        )
    if not (entries[0].follows(token) if entries else token in {"", text(newest or b"")}):
        raise LogLostError(f"event {after} of jobs/{job_id} is not the one that was seen{WHAT_TO_DO}")
    return LogPage(entries, complete=ended is not None and after + len(entries) == int(latest))


def hydrate(entry: LogEntry, blobs: BlobStore) -> JobEvent:
    """Convert an entry to the contract's event: number it, and fill in the image or result from its blob.

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
