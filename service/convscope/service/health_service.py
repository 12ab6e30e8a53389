"""The standard health service; its watchers hold nothing that others wait for.

The servicer that comes with gRPC writes to a watcher under the lock under which a status is set: one watcher that does
not read would stop every change of health, and the end of the server.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

__all__ = ["HealthServicer"]

# In quotes: grpcio's classes are generic only for type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

# Watches at once. Callers need no token for them, so their number bounds what callers without token can take up.
WATCHES = 256


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Tells the status of services.

    Args:
        services: their names; none serves yet.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._serving = dict.fromkeys(services, False)
        self._changed = asyncio.Event()
        self._watches = 0
        self._shut_down = False

    def set(self, service: str, *, serving: bool) -> None:
        """Set the status of a service."""
        if self._serving[service] != serving and not self._shut_down:
            self._serving[service] = serving
            self._tell()

    def shut_down(self) -> None:
        """Set all services to NOT_SERVING for good, and end the watches."""
        self._serving = dict.fromkeys(self._serving, False)
        self._shut_down = True
        self._tell()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802
        """Answer with the status of a service."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: HealthCheckRequest, context: Context) -> AsyncIterator[HealthCheckResponse]:  # noqa: N802
        """Send the status of a service whenever it changes."""
        if self._watches >= WATCHES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"at most {WATCHES} watches of health at once")
        self._watches += 1
        try:
            async for status in self._statuses(request.service):
                yield HealthCheckResponse(status=status)
        finally:
            self._watches -= 1

    async def _statuses(self, service: str) -> AsyncIterator[int]:
        known = None
        while True:
            changed, status = self._changed, self._status(service)
            if status != known:
                yield status
                known = status
            if self._shut_down:
                return
            await changed.wait()

    def _status(self, service: str) -> int:
        serving = self._serving.get(service)
        if serving is None:
            return int(HealthCheckResponse.SERVICE_UNKNOWN)
        return int(HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
