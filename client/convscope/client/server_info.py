"""Versions and limits of a server."""

from dataclasses import dataclass

from convscope.client.times import seconds_from_wire
from convscope.v1 import server_pb2

__all__ = ["ContractVersion", "Limits", "ServerInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractVersion:
    """A version of the contract.

    Attributes:
        major: Another number means that clients and servers do not understand each other.
        minor: Raised with each addition.
    """

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server allows at most.

    Attributes:
        max_request_bytes: Bytes of a message that it receives.
        max_page_size: Items on a page of a listing.
        max_compute_seconds: Seconds that one worker may need for a job, by estimate.
    """

    max_request_bytes: int
    max_page_size: int
    max_compute_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """A server.

    Attributes:
        version: Version of its software.
        contract: Version of the contract that it speaks.
        limits: What it allows.
    """

    version: str
    contract: ContractVersion
    limits: Limits

    @classmethod
    def from_wire(cls, message: server_pb2.ServerInfo) -> "ServerInfo":
        """Return the server of a message."""
        contract, limits = message.contract, message.limits
        return cls(
            version=message.version,
            contract=ContractVersion(major=contract.major, minor=contract.minor),
            limits=Limits(
                max_request_bytes=limits.max_request_bytes,
                max_page_size=limits.max_page_size,
                max_compute_seconds=seconds_from_wire(limits.max_compute_duration),
            ),
        )
