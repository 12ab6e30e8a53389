"""Converts stored records of jobs and models to the contract's messages."""

import json
from collections.abc import Mapping
from typing import cast

import redis
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import (
    Estimate,
    Failure,
    Job,
    JobEvent,
    JobFinished,
    JobKind,
    JobSpec,
    JobState,
    Priority,
    Waiting,
)
from convscope.v1.models_pb2 import Model, ModelState

__all__ = [
    "Fields",
    "device_name",
    "finished",
    "job_from_fields",
    "model_from_fields",
    "priority_name",
    "read_record",
    "spec_kind",
    "state_name",
    "text",
]

# A hash as Redis returns it.
Fields = Mapping[bytes, bytes]


def text(value: bytes | str) -> str:
    """Return a reply of Redis as text; connections return bytes, whatever the declared type."""
    return value if isinstance(value, str) else value.decode()


def read_record(connection: redis.Redis, key: str) -> Fields:
    """Return a record's fields; empty if the record does not exist."""
    return cast("Fields", connection.hgetall(key))


def state_name(state: JobState.ValueType) -> str:
    """Return the stored form of a job's state: ``queued`` for ``JOB_STATE_QUEUED``."""
    return JobState.Name(state).removeprefix("JOB_STATE_").lower()


def device_name(device: Device.ValueType) -> str:
    """Return the stored form of a device: ``cpu`` for ``DEVICE_CPU``."""
    return Device.Name(device).removeprefix("DEVICE_").lower()


def priority_name(priority: Priority.ValueType) -> str:
    """Return the stored form of a priority: ``high`` for ``PRIORITY_HIGH``."""
    return Priority.Name(priority).removeprefix("PRIORITY_").lower()


def spec_kind(spec: JobSpec) -> str:
    """Return the kind of job that a spec describes: ``train``, ``evaluate`` or ``visualize``.

    Raises:
        ValueError: if the spec has no kind.
    """
    kind = spec.WhichOneof("kind")
    if kind is None:
        raise ValueError("the spec has no kind")
    return kind


def finished(state: JobState.ValueType, failure: Failure | None = None) -> JobEvent:
    """Return a job's last event; its result is a separate blob."""
    return JobEvent(finished=JobFinished(state=state, failure=failure))


def job_from_fields(job_id: str, fields: Fields) -> Job:
    """Convert a record to the contract's job, without its result."""
    state = JobState.Value(f"JOB_STATE_{fields[b'state'].decode().upper()}")
    job = Job(
        name=f"jobs/{job_id}",
        kind=_kind(fields[b"kind"]),
        display_name=fields.get(b"display_name", b"").decode(),
        labels=json.loads(fields.get(b"labels", b"{}")),
        owner=fields[b"owner"].decode(),
        timeout=_duration(fields.get(b"timeout")),
        state=state,
        spec=JobSpec.FromString(fields[b"sent"]),
        effective_spec=JobSpec.FromString(fields[b"spec"]) if b"spec" in fields else None,
        request_id=fields.get(b"request_id", b"").decode(),
        model=_named("models", fields.get(b"makes", b"")),
        create_time=_timestamp(fields.get(b"created")),
        start_time=_timestamp(fields.get(b"started")),
        end_time=_timestamp(fields.get(b"ended")),
        sequence=int(fields[b"sequence"]),
        cancel_requested=bool(fields.get(b"cancel")),
        priority=Priority.Value(f"PRIORITY_{fields.get(b'priority', b'normal').decode().upper()}"),
        device=Device.Value(f"DEVICE_{fields.get(b'device', b'any').decode().upper()}"),
        estimate=_estimate(fields) if b"spec" in fields else None,
        ended_part_count=int(fields.get(b"done", b"0")),
    )
    if state == JobState.JOB_STATE_WAITING:
        needed = fields[b"needs"].decode()
        job.waiting.CopyFrom(Waiting(message=f"waits for {needed} to be made", resource=needed))
    if b"failure" in fields:
        job.failure.ParseFromString(fields[b"failure"])
    return job


def model_from_fields(model_id: str, fields: Fields) -> Model:
    """Convert a record to the contract's model, without its history."""
    model = Model.FromString(fields[b"model"])
    model.name = f"models/{model_id}"
    model.owner = fields[b"owner"].decode()
    model.create_time.FromMilliseconds(int(fields[b"created"]))
    model.state = ModelState.Value(f"MODEL_STATE_{fields[b'state'].decode().upper()}")
    return model


def _kind(kind: bytes) -> JobKind.ValueType:
    """Return a kind from its stored form; unspecified for one that only newer versions know."""
    name = f"JOB_KIND_{kind.decode().upper()}"
    return JobKind.Value(name) if name in JobKind.keys() else JobKind.JOB_KIND_UNSPECIFIED  # noqa: SIM118 - not a mapping


def _estimate(fields: Fields) -> Estimate:
    estimate = Estimate(part_count=int(fields[b"parts"]), stored_bytes=int(fields[b"stored_bytes"]))
    estimate.compute_duration.FromMilliseconds(round(1000 * float(fields[b"part_cost"]) * estimate.part_count))
    return estimate


def _named(collection: str, identifier: bytes) -> str:
    return f"{collection}/{identifier.decode()}" if identifier else ""


def _duration(milliseconds: bytes | None) -> Duration | None:
    if milliseconds is None:
        return None
    duration = Duration()
    duration.FromMilliseconds(int(milliseconds))
    return duration


def _timestamp(milliseconds: bytes | None) -> Timestamp | None:
    if milliseconds is None:
        return None
    timestamp = Timestamp()
    timestamp.FromMilliseconds(int(milliseconds))
    return timestamp
