"""The standard health service; a watcher never blocks the others.

The servicer that comes with gRPC writes to a watcher while it holds the lock that setting a status needs: one watcher
that does not read would block every change of health, and the end of the server.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from convscope.service.calls import Context

__all__ = ["HealthServicer"]

# Concurrent watches. Callers need no token for them, so this bounds what callers without a token can occupy.
WATCHES = 256


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Reports the status of services.

    Args:
        services: their names; all are NOT_SERVING at first.
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
            self._notify()

    def shut_down(self) -> None:
        """Set all services to NOT_SERVING for good, and end the watches."""
        self._serving = dict.fromkeys(self._serving, False)
        self._shut_down = True
        self._notify()

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
        sent = None
        while True:
            changed, status = self._changed, self._status(service)
            if status != sent:
                yield status
                sent = status
            if self._shut_down:
                return
            await changed.wait()

    def _status(self, service: str) -> int:
        serving = self._serving.get(service)
        if serving is None:
            return int(HealthCheckResponse.SERVICE_UNKNOWN)
        return int(HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
