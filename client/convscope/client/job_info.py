"""Facts of a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format

from convscope.client.enums import Device, JobKind, JobState, Priority, from_wire
from convscope.client.errors import ProtocolError
from convscope.client.events import Failure, failure_from_wire
from convscope.client.times import seconds_from_wire, time_from_wire
from convscope.client.waiting import WaitingReason
from convscope.v1 import device_pb2, jobs_pb2

__all__ = ["Estimate", "JobInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job is estimated to take.

    Attributes:
        part_count: Number of its parts, each computed by one worker in one attempt.
        compute_seconds: Time that one worker needs for it.
        stored_bytes: Bytes that it stores.
    """

    part_count: int
    compute_seconds: float
    stored_bytes: int

    @classmethod
    def from_wire(cls, message: jobs_pb2.Estimate) -> "Estimate":
        """Return the estimate in a message."""
        return cls(
            part_count=message.part_count,
            compute_seconds=seconds_from_wire(message.compute_duration),
            stored_bytes=message.stored_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """How a job stood when the server was last asked.

    Attributes:
        name: ``jobs/{id}``; empty if the job was only validated.
        kind: Train, evaluate or visualize.
        state: Where it is in its life.
        model: ``models/{id}`` that it creates, or that it reads; of the latter, empty where ``spec`` is.
        spec: What it does, every default filled in (as it was sent while it waits for what decides them), as the JSON
            of its message: 64-bit integers are strings, and what is 0, false or empty is left out unless it was set.
            Empty in listings; ``Job.spec`` asks for it.
        request_id: The id of the request that created it.
        create_time: When it was created, UTC; None if it was only validated.
        start_time: When a worker first started it; None before.
        end_time: When it ended; None before.
        sequence: Sequence number of its latest event, >= 1.
        cancel_requested: Whether it was asked to stop.
        failure: Why it failed; None unless it did, or was cancelled with a reason.
        priority: How soon it is started.
        device: What it runs on.
        display_name: What people call it; empty if it was not set.
        labels: What programs find it by.
        owner: Who owns it.
        timeout: Seconds that it may run from its first start on; None if there is no limit.
        estimate: What it takes; None while that cannot be said.
        ended_part_count: How many of its parts have ended.
        waiting: Why it waits, as of then; None if it does not. Listings tell it only of jobs that wait for a model.
    """

    name: str
    kind: JobKind
    state: JobState
    model: str
    spec: Mapping[str, Any]
    request_id: str
    create_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    sequence: int
    cancel_requested: bool
    failure: Failure | None
    priority: Priority = Priority.NORMAL
    device: Device = Device.ANY
    display_name: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    owner: str = ""
    timeout: float | None = None
    estimate: Estimate | None = None
    ended_part_count: int = 0
    waiting: WaitingReason | None = None

    @classmethod
    def from_wire(cls, message: jobs_pb2.Job) -> "JobInfo":
        """Return the information in a message."""
        if not message.kind:
            raise ProtocolError(f"{message.name} is of a kind that this client does not know")
        kind = from_wire(JobKind, jobs_pb2.JobKind.Name, message.kind)
        chosen = message.effective_spec if message.HasField("effective_spec") else message.spec
        name = chosen.WhichOneof("kind")
        spec = getattr(chosen, name) if name else None
        return cls(
            name=message.name,
            kind=kind,
            state=from_wire(JobState, jobs_pb2.JobState.Name, message.state),
            model=message.model or getattr(spec, "model", ""),
            spec=MappingProxyType(
                json_format.MessageToDict(spec, preserving_proto_field_name=True) if spec is not None else {}
            ),
            request_id=message.request_id,
            create_time=time_from_wire(message.create_time) if message.HasField("create_time") else None,
            start_time=time_from_wire(message.start_time) if message.HasField("start_time") else None,
            end_time=time_from_wire(message.end_time) if message.HasField("end_time") else None,
            sequence=message.sequence,
            cancel_requested=message.cancel_requested,
            failure=failure_from_wire(message.failure) if message.HasField("failure") else None,
            priority=from_wire(Priority, jobs_pb2.Priority.Name, message.priority or jobs_pb2.PRIORITY_NORMAL),
            device=from_wire(Device, device_pb2.Device.Name, message.device or device_pb2.DEVICE_ANY),
            display_name=message.display_name,
            labels=MappingProxyType(dict(message.labels)),
            owner=message.owner,
            timeout=seconds_from_wire(message.timeout) if message.HasField("timeout") else None,
            estimate=Estimate.from_wire(message.estimate) if message.HasField("estimate") else None,
            ended_part_count=message.ended_part_count,
            waiting=WaitingReason.from_wire(message.waiting) if message.HasField("waiting") else None,
        )
