"""Timestamps and durations of the contract."""

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["seconds_from_wire", "seconds_to_wire", "time_from_wire"]


def time_from_wire(message: Timestamp) -> datetime:
    """Return the moment, in UTC."""
    return message.ToDatetime(tzinfo=UTC)


def seconds_from_wire(message: Duration) -> float:
    """Return the duration, in seconds."""
    return message.ToNanoseconds() / 1e9


def seconds_to_wire(seconds: float) -> Duration:
    """Return the duration of so many seconds."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
