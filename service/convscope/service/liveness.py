"""Keeps the standard health service up to date.

The whole server serves exactly while Redis answers and accepts writes; the services that read artifacts need the
artifact store as well, and Server needs neither.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

import redis

from convscope.service.backend import Backend
from convscope.service.health_service import HealthServicer
from convscope.service.threads import DaemonThreads, run_within
from convscope.store import (
    BlobError,
    BlobStore,
    BlobTimeouts,
    LayoutError,
    PolicyError,
    check_layout,
    check_policy,
    check_writes,
    connect_promptly,
)

__all__ = ["SERVICES", "Liveness"]

log = logging.getLogger(__name__)

# How often Redis and the artifact store are probed, in seconds.
PERIOD_S = 0.5

# How often the settings of Redis are checked, in seconds: that takes longer than a probe.
POLICY_PERIOD_S = 1.0

# How long either may take to answer, in seconds: with the period, less than the two seconds after which health is true.
PATIENCE_S = 1.2

# Services whose health can be checked; the empty name stands for the whole server.
NEED_NOTHING = ("convscope.v1.Server",)
NEED_REDIS = ("", "convscope.v1.Datasets", "convscope.v1.Workers")
NEED_BLOBS = (
    "convscope.v1.Evaluations",
    "convscope.v1.Files",
    "convscope.v1.Images",
    "convscope.v1.Jobs",
    "convscope.v1.Models",
)
SERVICES = NEED_NOTHING + NEED_REDIS + NEED_BLOBS

# A probe is not repeated: the next one comes soon.
TIMEOUTS = BlobTimeouts(connect_s=PATIENCE_S, silence_s=PATIENCE_S, request_s=PATIENCE_S, retries=0, retry_s=PATIENCE_S)


class Liveness:
    """Probes Redis and the artifact store, each in a separate thread and on a separate connection.

    Args:
        backend: has their addresses.
        servicer: publishes the result.
    """

    def __init__(self, backend: Backend, servicer: HealthServicer) -> None:
        self._servicer = servicer
        self._redis = connect_promptly(backend.settings.redis_url, timeout_s=PATIENCE_S, retries=0)
        self._blobs = BlobStore(backend.settings.artifacts_url, TIMEOUTS)
        self._policy_due = 0.0
        self._redis_probe = _Probe("Redis", self._check_redis)
        self._blobs_probe = _Probe("the artifact store", self._blobs.probe)

    async def run(self) -> None:
        """Keep the health of all services until cancelled."""
        await asyncio.gather(self._keep(self._redis_probe), self._keep(self._blobs_probe))

    async def look(self) -> None:
        """Set the health of all services once."""
        await asyncio.gather(self._redis_probe.look(), self._blobs_probe.look())
        self._publish()

    async def _keep(self, probe: "_Probe") -> None:
        while True:
            await probe.look()
            self._publish()
            await asyncio.sleep(PERIOD_S)

    def _publish(self) -> None:
        redis_serves = bool(self._redis_probe.answers)
        for service in NEED_NOTHING:
            self._servicer.set(service, serving=True)
        for service in NEED_REDIS:
            self._servicer.set(service, serving=redis_serves)
        for service in NEED_BLOBS:
            self._servicer.set(service, serving=redis_serves and bool(self._blobs_probe.answers))

    def _check_redis(self) -> None:
        if self._redis_probe.answers and monotonic() < self._policy_due:
            check_writes(self._redis)
            return
        check_policy(self._redis)
        check_writes(self._redis)
        check_layout(self._redis)
        self._policy_due = monotonic() + POLICY_PERIOD_S


class _Probe:
    """Whether a server answers in time; changes are logged.

    Args:
        title: what to call the server in messages.
        ask: blocks until the server answers, and raises if it cannot be used.

    Attributes:
        answers: whether it answered the last time; None before the first.
    """

    def __init__(self, title: str, ask: Callable[[], None]) -> None:
        self._title = title
        self._ask = ask
        self._threads = DaemonThreads(1, "probe")
        self.answers: bool | None = None

    async def look(self) -> None:
        """Ask once; while a question hangs, no second one is asked, since there is one thread."""
        try:
            await run_within(PATIENCE_S, self._threads, self._ask)
        except (redis.RedisError, BlobError, TimeoutError) as error:
            self._set(error)
        except (PolicyError, LayoutError) as error:
            log.error("%s", error)  # noqa: TRY400 - a setting to be changed, not a fault to be traced
            self.answers = False
        else:
            self._set(None)

    def _set(self, fault: Exception | None) -> None:
        if fault is not None and self.answers is not False:
            log.warning("not serving, because %s cannot be used: %s", self._title, fault)
        if fault is None and not self.answers:
            log.info("%s can be used", self._title)
        self.answers = fault is None
