"""Moments of the contract."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["time_from_wire"]


def time_from_wire(message: Timestamp) -> datetime:
    """The moment, in UTC."""
    return message.ToDatetime(tzinfo=UTC)
