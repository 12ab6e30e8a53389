"""Why a job waits."""

from dataclasses import dataclass

from convscope.client.enums import Device, from_wire
from convscope.client.times import seconds_from_wire
from convscope.v1 import device_pb2, jobs_pb2

__all__ = ["Backlog", "NoWorker", "WaitingReason"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWorker:
    """No worker that is alive can take the job.

    Attributes:
        device: What the job wants.
        cpu_worker_count: Workers alive that have no GPU.
        gpu_worker_count: Workers alive that have one.
    """

    device: Device
    cpu_worker_count: int
    gpu_worker_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is ahead of a job, by estimate: parts, and the seconds that the present workers need for them."""

    part_count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReason:
    """Why a job waits; as text, it is ``message``.

    At most one of the other attributes is set: none where this client does not know the reason.

    Attributes:
        message: For people.
        resource: ``models/{id}`` or ``datasets/{id}`` that it waits for; empty if it does not.
        no_worker: No worker can take it.
        backlog: Others are ahead of it.
    """

    message: str
    resource: str = ""
    no_worker: NoWorker | None = None
    backlog: Backlog | None = None

    def __str__(self) -> str:
        return self.message

    @classmethod
    def from_wire(cls, message: jobs_pb2.Waiting) -> "WaitingReason":
        """Return the reason in a message."""
        return cls(
            message=message.message,
            resource=message.resource,
            no_worker=_no_worker(message.no_worker) if message.HasField("no_worker") else None,
            backlog=_backlog(message.backlog) if message.HasField("backlog") else None,
        )


def _no_worker(message: jobs_pb2.NoWorker) -> NoWorker:
    return NoWorker(
        device=from_wire(Device, device_pb2.Device.Name, message.device or device_pb2.DEVICE_ANY),
        cpu_worker_count=message.cpu_worker_count,
        gpu_worker_count=message.gpu_worker_count,
    )


def _backlog(message: jobs_pb2.Backlog) -> Backlog:
    return Backlog(part_count=message.part_count, seconds=seconds_from_wire(message.duration))
