"""The event log of every job: sequences 1, 2, 3, ... without gaps."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from convscope.store import keys
from convscope.store.blobs import BlobStore
from convscope.store.errors import LogLostError, LogTrimmedError, NotFoundError
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["LogEntry", "LogPage", "hydrate", "read_log"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event as it is stored.

    Attributes:
        sequence: its number.
        event: without what is kept elsewhere.
        blob: digest of the image or result that completes it, or ``""``.
        completed: number of images so far, for the event of an image; else 0.
    """

    sequence: int
    event: bytes
    blob: str
    completed: int = 0

    @classmethod
    def from_fields(cls, sequence: int, fields: Mapping[bytes, bytes]) -> "LogEntry":
        """Make an entry from a stream entry's fields."""
        return cls(sequence, fields[b"event"], fields[b"blob"].decode(), int(fields.get(b"completed", b"0")))


@dataclass(frozen=True, slots=True)
class LogPage:
    """A stretch of a log, and whether it reaches the end of a job that has ended."""

    entries: list[LogEntry]
    complete: bool


def read_log(connection: redis.Redis, job_id: str, after: int, count: int) -> LogPage:
    """Return up to ``count`` entries with sequences ``after + 1``, ``after + 2``, ...; none if none has happened yet.

    Raises:
        NotFoundError: if there is no such job.
        LogTrimmedError: if entry ``after + 1`` is gone.
        LogLostError: if the log ends before ``after``.
    """
    with connection.pipeline(transaction=True) as pipeline:
        pipeline.hmget(keys.job_key(job_id), "sequence", "ended")
        pipeline.xrange(keys.events_key(job_id), min=f"{after + 1}-0", count=count)
        (latest, ended), found = pipeline.execute()
    if latest is None:
        raise NotFoundError(f"jobs/{job_id} does not exist")
    if after > int(latest):
        raise LogLostError(f"jobs/{job_id} has {int(latest)} events; there is none with sequence {after}")
    entries = [LogEntry.from_fields(int(entry.partition(b"-")[0]), fields) for entry, fields in found]
    if after < int(latest) and (not entries or entries[0].sequence != after + 1):
        raise LogTrimmedError(f"event {after + 1} of jobs/{job_id} has been trimmed; GetJob tells how the job stands")
    return LogPage(entries, complete=ended is not None and after + len(entries) == int(latest))


def hydrate(entry: LogEntry, blobs: BlobStore) -> JobEvent:
    """Make the contract's event of an entry: number it and fill in the image or result kept as a blob.

    Raises:
        BlobDamagedError: if the blob is missing or damaged.
    """
    event = JobEvent.FromString(entry.event)
    event.sequence = entry.sequence
    if entry.completed:
        event.image_ready.completed = entry.completed
    if entry.blob and event.HasField("image_ready"):
        event.image_ready.image.ParseFromString(blobs.get(entry.blob))
    elif entry.blob and event.HasField("finished"):
        event.finished.result.ParseFromString(blobs.get(entry.blob))
    return event
