"""Puts right what deaths leave behind: parts that nobody has, silent attempts, requests to stop that went unheard.

It clears up as well: entries of ended jobs are taken off the queues, of which some may have no worker that would.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Sequence
from typing import cast

import redis

from convscope.store.jobs.attempts import LEASE_MS
from convscope.store.jobs.dependents import settle_all
from convscope.store.jobs.lost_attempts import mark_attempt_lost
from convscope.store.jobs.queue import dispatch, queued_parts, withdraw
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

# How often the leader looks, in seconds.
PERIOD_S = 0.5

# How long the lead lasts without being renewed, in milliseconds.
LEAD_MS = 3_000

# How long a part must look lost before it is: a part that was just taken off the queue has no attempt yet, and
# after a restart of Redis all leases have run out for a moment.
GRACE_S = 2.0

# Longer pauses between two looks mean that this process was stopped or cut off; what it saw before counts no more.
MAX_PAUSE_S = 3.0

# Attempts that are looked after in one look.
MOST_AT_ONCE = 100


class Reconciler:
    """Any number may run; one of them leads, the others do nothing.

    Args:
        connection: Redis.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)
        self._token = secrets.token_hex(8)
        self._since: dict[tuple[str, int], float] = {}
        self._next = 0.0

    def tick(self) -> None:
        """Look once, if it is time and this is the leader; to be called at least twice a second.

        Raises:
            redis.RedisError: if Redis does not answer; what was seen so far is forgotten.
        """
        now = time.monotonic()
        if now < self._next:
            return
        if now - self._next > MAX_PAUSE_S:
            self._since.clear()
        try:
            if self._scripts.run("lead", self._token, LEAD_MS, int(MAX_PAUSE_S * 1000), LEASE_MS):
                self._look(now)
            else:
                self._since.clear()
        except redis.RedisError:
            self._since.clear()
            raise
        finally:
            self._next = time.monotonic() + PERIOD_S

    def resign(self) -> None:
        """Give the lead to whoever comes next."""
        with contextlib.suppress(redis.RedisError):
            if self._redis.get(KEYS["leader"]) == self._token.encode():
                self._redis.delete(KEYS["leader"])

    def _look(self, now: float) -> None:
        settle_all(self._redis)
        for late in self._scripts.overdue(MOST_AT_ONCE):
            if mark_attempt_lost(self._redis, late, "its worker fell silent"):
                log.warning("jobs/%s: attempt %d at part %d fell silent", late.job_id, late.number, late.part)
        active = self._active()
        queued = queued_parts(self._redis)
        for job_id, part in sorted(queued):
            if job_id not in active:
                withdraw(self._redis, job_id, part)
        suspects = {each: self._since.get(each, now) for each in self._waiting(sorted(active)) if each not in queued}
        for job_id, part in [suspect for suspect, since in suspects.items() if now - since >= GRACE_S]:
            log.warning("jobs/%s: part %d is on no queue; it is dispatched again", job_id, part)
            dispatch(self._redis, job_id, part)
            del suspects[job_id, part]
        self._since = suspects

    def _active(self) -> set[str]:
        indexes = [key("jobs_in_state", state) for state in ("queued", "running")]
        found = [cast("list[bytes]", self._redis.zrange(index, 0, -1)) for index in indexes]
        return {job_id.decode() for index in found for job_id in index}

    def _waiting(self, job_ids: Sequence[str]) -> list[tuple[str, int]]:
        """Return the parts of jobs that should be on a queue."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hgetall(key("parts", job_id))
            replies = pipeline.execute()
        return [
            (job_id, int(name[6:]))
            for job_id, parts in zip(job_ids, replies, strict=True)
            for name, value in parts.items()
            if name.startswith(b"state:") and value == b"queued"
        ]
