"""The server: all services on one port, until it is told to stop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import grpc
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from convscope.service.backend import Backend
from convscope.service.datasets import DatasetsService
from convscope.service.errors import ShuttingDownError
from convscope.service.evaluations import EvaluationsService
from convscope.service.files import FilesService
from convscope.service.health_service import HealthServicer
from convscope.service.hub import NotifyHub
from convscope.service.images import ImagesService
from convscope.service.interceptors import ContractInterceptor, ErrorInterceptor, StopInterceptor, TokenInterceptor
from convscope.service.jobs import JobsService
from convscope.service.listening import Listener, ListenError, listen
from convscope.service.liveness import SERVICES, Liveness
from convscope.service.models import ModelsService
from convscope.service.reconciling import keep_reconciling, keep_sweeping
from convscope.service.server_info import MAX_REQUEST_BYTES, ServerService
from convscope.service.settings import ServiceSettings
from convscope.service.tasks import end_tasks, keep_running
from convscope.service.tls import server_credentials
from convscope.service.workers import WorkersService
from convscope.store import StoreSettings, check_layout, check_policy
from convscope.v1 import (
    datasets_pb2_grpc,
    evaluations_pb2_grpc,
    files_pb2_grpc,
    images_pb2_grpc,
    jobs_pb2_grpc,
    models_pb2_grpc,
    server_pb2_grpc,
    workers_pb2_grpc,
)

__all__ = ["ListenError", "serve"]

log = logging.getLogger(__name__)

# The largest message sent: an image of 2048x2048 pixels in colour, as float32, and its best version. Messages that do
# not hold one large image have at most 4 MiB, which every client accepts.
MAX_MESSAGE_BYTES = 128 * 2**20

# The name under which reflection lists the health service.
HEALTH_NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# How long calls may take after the server was told to stop, in seconds.
GRACE_S = 5.0

# How long to wait for Redis at the start, in seconds; it may come later.
POLICY_S = 2.0

# Bytes of a request that a caller may send before the server reads them.
LOOKAHEAD_BYTES = 16 * 2**10

# Concurrent connections, and concurrent calls on one of them. The server holds some 15 KiB for either.
CONNECTIONS = 1_000
STREAMS = 128

# Calls that no handler has accepted yet; beyond the first bound, some are refused at random, beyond the second all.
PENDING_CALLS, MOST_PENDING_CALLS = 300, 600

OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    # A few KiB may be the compressed form of GiB, which gRPC would unpack before it checks the size.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.per_message_decompression", 0),
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    ("grpc.http2.bdp_probe", 0),  # else the bytes sent ahead may grow
    ("grpc.max_concurrent_streams", STREAMS),
    ("grpc.max_allowed_incoming_connections", CONNECTIONS),
    ("grpc.server.max_pending_requests", PENDING_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING_CALLS),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),  # a second server on the same address is an error, not a lottery
)


async def serve(
    service: ServiceSettings, store: StoreSettings, stop: asyncio.Event, ready: Callable[[Listener], None]
) -> None:
    """Serve until ``stop`` is set.

    Args:
        service: how to listen.
        store: where Redis and the artifacts are.
        stop: ends the server.
        ready: called once calls are accepted.

    Raises:
        ListenError: if the address cannot be listened on.
        ValueError: if certificate or key cannot be used.
        PolicyError: if Redis answers and cannot be used.
        LayoutError: if Redis answers and has records of another version.
    """
    async with _background(service, store) as (backend, hub, health):
        stopping = StopInterceptor()
        server = _build(service, backend, hub, health, stopping)
        listener = _listen(server, service)
        await server.start()
        log.info("listening on %s", listener.listen)
        ready(listener)
        await stop.wait()
        log.info("stopping")
        health.shut_down()
        hub.fail_all(ShuttingDownError("the service is shutting down; watch again"))
        await stopping.drain()
        await server.stop(GRACE_S)


@contextlib.asynccontextmanager
async def _background(
    service: ServiceSettings, store: StoreSettings
) -> AsyncIterator[tuple[Backend, NotifyHub, HealthServicer]]:
    backend = Backend(store, max_cost=service.max_cost)
    hub, health = NotifyHub(store.redis_url), HealthServicer(SERVICES)
    liveness = Liveness(backend, health)
    await liveness.look()
    works = {
        "reading events": hub.run,
        "probing Redis and artifacts": liveness.run,
        "reconciling jobs": lambda: keep_reconciling(backend),
        "sweeping files": lambda: keep_sweeping(backend),
    }
    tasks: list[asyncio.Task[None]] = []
    try:
        with contextlib.suppress(redis.RedisError, TimeoutError):  # it may come later
            async with asyncio.timeout(POLICY_S):
                await backend.run(check_policy, backend.redis)
                await backend.run(check_layout, backend.redis)
        # Not before: background tasks would fail on a Redis that is refused.
        tasks += [asyncio.create_task(keep_running(title, work)) for title, work in works.items()]
        yield backend, hub, health
    finally:
        await end_tasks(tasks)
        backend.close()


def _build(
    service: ServiceSettings, backend: Backend, hub: NotifyHub, health: HealthServicer, stopping: StopInterceptor
) -> grpc.aio.Server:
    tokens = [TokenInterceptor(service.token)] if service.token else []
    interceptors = [stopping, *tokens, ContractInterceptor(), ErrorInterceptor()]
    server = grpc.aio.server(interceptors=interceptors, options=OPTIONS)
    server_pb2_grpc.add_ServerServicer_to_server(ServerService(max_cost_s=service.max_cost), server)
    jobs_pb2_grpc.add_JobsServicer_to_server(JobsService(backend, hub), server)
    models_pb2_grpc.add_ModelsServicer_to_server(ModelsService(backend), server)
    datasets_pb2_grpc.add_DatasetsServicer_to_server(DatasetsService(), server)
    evaluations_pb2_grpc.add_EvaluationsServicer_to_server(EvaluationsService(backend), server)
    files_pb2_grpc.add_FilesServicer_to_server(FilesService(backend), server)
    images_pb2_grpc.add_ImagesServicer_to_server(ImagesService(backend), server)
    workers_pb2_grpc.add_WorkersServicer_to_server(WorkersService(backend), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection([*filter(None, SERVICES), HEALTH_NAME, reflection.SERVICE_NAME], server)
    return server


def _listen(server: grpc.aio.Server, service: ServiceSettings) -> Listener:
    if not (service.certificate and service.key):
        return listen(service.listen, server.add_insecure_port)
    tls = server_credentials(service.certificate, service.key)
    return listen(service.listen, lambda address: server.add_secure_port(address, tls))
