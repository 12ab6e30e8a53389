"""Connections to Redis."""

import contextlib
import logging
import time

import redis
from redis import DriverInfo
from redis.backoff import ExponentialWithJitterBackoff

from convscope.store.redis.writability import PatientRetry

__all__ = ["await_redis", "connect_patiently", "connect_promptly"]

log = logging.getLogger(__name__)

# What a connection tells Redis of its library. Made once: redis-py would look its own version up for every connection,
# which takes milliseconds.
_DRIVER = DriverInfo()

# How long to wait for Redis while a caller waits for an answer, in seconds.
PROMPT_TIMEOUT_S = 2.0

# How long a connection may be silent while a reply is due, in seconds. RQ waits for work for 1 s at a time and requires
# 10 s more.
SILENCE_S = 11.0

# Workers outlast a restart of Redis: up to ten minutes of retries at most two seconds apart.
PATIENT_RETRIES = 300


def connect_promptly(url: str, *, timeout_s: float = PROMPT_TIMEOUT_S, retries: int = 2) -> redis.Redis:
    """Connect to answer requests: a Redis that is away or refuses writes is an error within seconds.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        timeout_s: seconds for a connection, and for a reply.
        retries: how often to repeat a failed command.
    """
    return redis.Redis.from_url(
        url,
        driver_info=_DRIVER,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=PatientRetry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), retries=retries),
    )


def connect_patiently(url: str, *, single: bool = False) -> redis.Redis:
    """Connect for long work: wait for a Redis that is away or refuses writes.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``.
        single: use one connection for all commands, which then take 20 microseconds less each; for one thread, and for
            commands that no signal handler interrupts by an exception.
    """
    return redis.Redis.from_url(
        url,
        driver_info=_DRIVER,
        single_connection_client=single,
        socket_connect_timeout=PROMPT_TIMEOUT_S,
        socket_timeout=SILENCE_S,
        retry=PatientRetry(ExponentialWithJitterBackoff(base=0.2, cap=2), retries=PATIENT_RETRIES),
    )


def await_redis(url: str) -> None:
    """Wait until Redis answers, and log it if it does not answer at once."""
    with contextlib.closing(connect_promptly(url)) as connection:
        while True:
            try:
                connection.ping()
            except redis.RedisError as error:
                log.warning("waiting for Redis: %s", error)
                time.sleep(PROMPT_TIMEOUT_S)
            else:
                return
