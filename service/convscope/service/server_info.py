"""The Server service."""

from importlib.metadata import version
from typing import Final

from convscope.service.calls import Context
from convscope.v1 import server_pb2_grpc
from convscope.v1.jobs_pb2 import ListJobsRequest
from convscope.v1.rules import LONGEST_S, field_rules
from convscope.v1.server_pb2 import ContractVersion, GetServerInfoRequest, Limits, ServerInfo
from convscope.v1.version import MAJOR, MINOR

__all__ = ["MAX_REQUEST_BYTES", "ServerService"]

# The largest message received: the spec of a visualization that names each of 65,536 features of many layers.
MAX_REQUEST_BYTES: Final = 4 * 2**20


class ServerService(server_pb2_grpc.ServerServicer):
    """Implements ``convscope.v1.Server``; the contract's comments say what each call does.

    Args:
        max_cost_s: seconds that one worker may need for a job, by estimate.
    """

    def __init__(self, *, max_cost_s: float) -> None:
        max_page_size = field_rules(ListJobsRequest.DESCRIPTOR.fields_by_name["page_size"]).maximum
        limits = Limits(max_request_bytes=MAX_REQUEST_BYTES, max_page_size=int(max_page_size))
        limits.max_compute_duration.FromNanoseconds(round(min(max_cost_s, LONGEST_S) * 1e9))
        contract = ContractVersion(major=MAJOR, minor=MINOR)
        self._info = ServerInfo(version=version("convscope"), contract=contract, limits=limits)

    async def GetServerInfo(self, request: GetServerInfoRequest, context: Context) -> ServerInfo:  # noqa: N802
        """Describe the server: its version, contract and limits."""
        return self._info
