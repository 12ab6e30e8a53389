"""Repairs what deaths leave behind: attempts that stopped responding, ignored requests to stop, lost tickets.

It also fails jobs that run longer than their timeouts.

The cost of a round depends on what runs, not on what waits; a round without work is a single call.
"""

import contextlib
import logging
import secrets
import time

import redis

from convscope.store.failpoints import failpoint
from convscope.store.jobs.attempts import LEASE_MS
from convscope.store.jobs.deadlines import fail_outrun
from convscope.store.jobs.dependents import settle_all
from convscope.store.jobs.lost_attempts import mark_attempt_lost
from convscope.store.jobs.tickets import top_up_tickets
from convscope.store.redis.keys import KEYS
from convscope.store.redis.scripts import Scripts

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

# How often the leader works, in seconds.
PERIOD_S = 0.5

# How long the lead lasts without being renewed, in milliseconds. The successor of a dead leader starts within another
# second, which is less than ``MAX_PAUSE_MS``.
LEAD_MS = 1_500

# A longer pause between two rounds of any leader means that Redis was away, or all leaders were, in milliseconds: then
# all leases are late, and executors get the time of another lease to renew theirs.
MAX_PAUSE_MS = 3_000

# Most attempts to repair in one round.
MOST_AT_ONCE = 100


class Reconciler:
    """Reconciles the jobs of one Redis; any number may run, one of them leads, the others do nothing.

    Args:
        connection: Redis.
        period_s: how often it works, in seconds.
        lead_ms: how long its lead lasts without being renewed, in milliseconds.
    """

    def __init__(self, connection: redis.Redis, period_s: float = PERIOD_S, lead_ms: int = LEAD_MS) -> None:
        self._period_s = period_s
        self._lead_ms = lead_ms
        self._redis = connection
        self._scripts = Scripts(connection)
        self._token = secrets.token_hex(8)
        self._next = 0.0

    def tick(self) -> None:
        """Work once, if it is time and this is the leader; call this at least twice a second.

        Raises:
            redis.RedisError: if Redis does not answer.
        """
        now = time.monotonic()
        if now < self._next:
            return
        try:
            if counts := self._scripts.run("lead", self._token, self._lead_ms, MAX_PAUSE_MS, LEASE_MS):
                self._repair(*counts)
        finally:
            self._next = time.monotonic() + self._period_s

    def resign(self) -> None:
        """Give up the lead."""
        with contextlib.suppress(redis.RedisError):
            if self._redis.get(KEYS["leader"]) == self._token.encode():
                self._redis.delete(KEYS["leader"])

    def _repair(self, outrun: int, unsettled: int, overdue: int, lacking: int) -> None:
        """Repair everything of which there is any; see ``lead.lua`` for the counts."""
        for name in fail_outrun(self._redis) if outrun else ():
            log.warning("%s ran longer than its timeout", name)
        if unsettled or outrun:  # a job that timed out may have been training a model
            settle_all(self._redis)
        for late in self._scripts.overdue(MOST_AT_ONCE) if overdue else ():
            failpoint("reconcile.before_repair")
            if mark_attempt_lost(self._redis, late, "its worker fell silent"):
                log.warning("jobs/%s: attempt %d at part %d fell silent", late.job_id, late.number, late.part)
        if lacking:
            top_up_tickets(self._redis)
