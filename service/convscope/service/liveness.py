"""Keeps the standard health service true: SERVING exactly while Redis answers and takes writes."""

import asyncio
import logging

import redis
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse

from convscope.service.backend import Backend
from convscope.store import PolicyError, check_layout, check_policy, check_writes
from convscope.store.errors import LayoutError

__all__ = ["SERVICES", "keep_health"]

log = logging.getLogger(__name__)

# How often Redis is asked, in seconds.
PERIOD_S = 0.5

# Names under which health can be asked for; the empty one stands for the whole server.
SERVICES = (
    "",
    "convscope.v1.Jobs",
    "convscope.v1.Models",
    "convscope.v1.Datasets",
    "convscope.v1.Visualizations",
    "convscope.v1.Workers",
)


async def keep_health(backend: Backend, servicer: health.aio.HealthServicer) -> None:
    """Set the health of all services until cancelled."""
    known = None
    while True:
        serving = await _redis_serves(backend, was_serving=known)
        if serving != known:
            await _set_all(servicer, serving=serving)
            known = serving
        await asyncio.sleep(PERIOD_S)


async def _redis_serves(backend: Backend, *, was_serving: bool | None) -> bool:
    """Whether Redis can be used; what has changed is logged."""
    try:
        await backend.run(check_policy, backend.redis)
        await backend.run(check_writes, backend.redis)
        await backend.run(check_layout, backend.redis)
    except redis.RedisError as error:
        if was_serving is not False:
            log.warning("not serving, because Redis cannot be used: %s", error)
        return False
    except (PolicyError, LayoutError) as error:
        log.error("%s", error)  # noqa: TRY400 - a setting to be changed, not a fault to be traced
        return False
    if not was_serving:
        log.info("Redis can be used; serving")
    return True


async def _set_all(servicer: health.aio.HealthServicer, *, serving: bool) -> None:
    status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
    for service in SERVICES:
        await servicer.set(service, status)
