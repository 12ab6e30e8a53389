"""The server: all services on one port, until it is told to stop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import grpc
import redis
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from convscope.service.backend import Backend
from convscope.service.datasets import DatasetsService
from convscope.service.errors import ShuttingDownError
from convscope.service.hub import NotifyHub
from convscope.service.interceptors import ErrorInterceptor, TokenInterceptor
from convscope.service.jobs import JobsService
from convscope.service.liveness import SERVICES, keep_health
from convscope.service.models import ModelsService
from convscope.service.reconciling import keep_reconciling, keep_sweeping
from convscope.service.settings import ServiceSettings
from convscope.service.tasks import end_tasks, keep_running
from convscope.service.tls import server_credentials
from convscope.service.visualizations import VisualizationsService
from convscope.service.workers import WorkersService
from convscope.store import StoreSettings, check_layout, check_policy
from convscope.v1 import datasets_pb2_grpc, jobs_pb2_grpc, models_pb2_grpc, visualizations_pb2_grpc, workers_pb2_grpc

__all__ = ["ListenError", "serve"]

log = logging.getLogger(__name__)

# The largest message either way: an image of 2048x2048 pixels in colour, as float32, and its best version.
MAX_MESSAGE_BYTES = 128 * 2**20

# How long calls may go on after the server was told to stop, in seconds.
GRACE_S = 5.0

OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),  # a second server on the same address is an error, not a lottery
)


class ListenError(RuntimeError):
    """The address cannot be listened on."""


async def serve(
    service: ServiceSettings, store: StoreSettings, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    """Serve until ``stop`` is set; ``ready`` is called with the address once calls are accepted.

    Raises:
        ListenError: if the address cannot be listened on.
        ValueError: if certificate or key cannot be used.
        PolicyError: if Redis answers and may evict records.
        LayoutError: if Redis answers and has records of another version.
    """
    async with _background(service, store) as (backend, hub, health_servicer):
        with contextlib.suppress(redis.RedisError):  # it may come later
            await backend.run(check_policy, backend.redis)
            await backend.run(check_layout, backend.redis)
        server = _build(service, backend, hub, health_servicer)
        address = _listen(server, service)
        await server.start()
        log.info("listening on %s", address)
        ready(address)
        await stop.wait()
        log.info("stopping")
        await health_servicer.enter_graceful_shutdown()
        hub.fail_all(ShuttingDownError("the service is shutting down; watch again"))
        await server.stop(GRACE_S)


@contextlib.asynccontextmanager
async def _background(
    service: ServiceSettings, store: StoreSettings
) -> AsyncIterator[tuple[Backend, NotifyHub, health.aio.HealthServicer]]:
    backend = Backend(store, max_cost=service.max_cost)
    hub, health_servicer = NotifyHub(store.redis_url), health.aio.HealthServicer()
    works = {
        "the reading of news": hub.run,
        "the watch over Redis": lambda: keep_health(backend, health_servicer),
        "the looking after jobs": lambda: keep_reconciling(backend),
        "the looking after files": lambda: keep_sweeping(backend),
    }
    tasks = [asyncio.create_task(keep_running(title, work)) for title, work in works.items()]
    try:
        yield backend, hub, health_servicer
    finally:
        await end_tasks(tasks)
        backend.close()


def _build(
    service: ServiceSettings, backend: Backend, hub: NotifyHub, health_servicer: health.aio.HealthServicer
) -> grpc.aio.Server:
    tokens = [TokenInterceptor(service.token)] if service.token else []
    server = grpc.aio.server(interceptors=[*tokens, ErrorInterceptor()], options=OPTIONS)
    jobs_pb2_grpc.add_JobsServicer_to_server(JobsService(backend, hub), server)
    models_pb2_grpc.add_ModelsServicer_to_server(ModelsService(backend), server)
    datasets_pb2_grpc.add_DatasetsServicer_to_server(DatasetsService(), server)
    visualizations_pb2_grpc.add_VisualizationsServicer_to_server(VisualizationsService(backend), server)
    workers_pb2_grpc.add_WorkersServicer_to_server(WorkersService(backend), server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection([*filter(None, SERVICES), health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return server


def _listen(server: grpc.aio.Server, service: ServiceSettings) -> str:
    tls = server_credentials(service.certificate, service.key) if service.certificate and service.key else None
    try:
        port = server.add_secure_port(service.listen, tls) if tls else server.add_insecure_port(service.listen)
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {service.listen}: is another server using it?") from error
    return f"{service.listen.rpartition(':')[0]}:{port}" if service.listen.endswith(":0") else service.listen
