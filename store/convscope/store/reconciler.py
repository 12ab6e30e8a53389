"""Puts right what deaths leave behind: parts that nobody has, silent attempts, requests to stop that went unheard."""

import contextlib
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

import redis

from convscope.store import keys, lua
from convscope.store.losses import lose_attempt
from convscope.store.queue import dispatch, queued_parts, stop_part
from convscope.store.records import Fields, now_ms, text
from convscope.store.waiting import settle_waiters

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

# How long a job may take to stop by itself before its horse is killed, in milliseconds.
CANCEL_GRACE_MS = 10_000

# Only single-part jobs exist so far.
PART = 0


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part that looks lost; the attempt tells one loss from the next."""

    job_id: str
    state: str
    attempt: int


class Reconciler:
    """Any number may run; one of them leads, the others do nothing.

    Args:
        connection: Redis.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._lead = connection.register_script(lua.source("lead"))
        self._token = secrets.token_hex(8)
        self._since: dict[Suspect, float] = {}
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
            if self._lead(keys=[keys.LEADER], args=[self._token, LEAD_MS]):
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
            if self._redis.get(keys.LEADER) == self._token.encode():
                self._redis.delete(keys.LEADER)

    def _look(self, now: float) -> None:
        queued = queued_parts(self._redis)
        suspects: dict[Suspect, float] = {}
        for job_id, fields, leased in self._active():
            suspect = self._judge(job_id, fields, leased=leased, queued=(job_id, PART) in queued)
            if suspect is not None:
                suspects[suspect] = self._since.get(suspect, now)
        lost = [suspect for suspect, since in suspects.items() if now - since >= GRACE_S]
        for suspect in lost:
            self._repair(suspect)
        self._since = {suspect: since for suspect, since in suspects.items() if suspect not in lost}

    def _active(self) -> Iterator[tuple[str, Fields, bool]]:
        job_ids = [text(each) for each in self._redis.smembers(keys.ACTIVE)]
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hgetall(keys.job_key(job_id))
                pipeline.exists(keys.lease_key(job_id, PART))
            replies = pipeline.execute()
        for job_id, fields, leased in zip(job_ids, replies[::2], replies[1::2], strict=True):
            if fields:
                yield job_id, fields, bool(leased)

    def _judge(self, job_id: str, fields: Fields, *, leased: bool, queued: bool) -> Suspect | None:
        state = fields[b"state"].decode()
        if state == "waiting":
            settle_waiters(self._redis, fields[b"needs"].decode().removeprefix("models/"))
            return None
        if state == "running" and leased:
            self._hurry(job_id, fields)
            return None
        if state == "queued" and queued:
            return None
        return Suspect(job_id, state, int(fields.get(b"attempt:%d" % PART, b"0")))

    def _hurry(self, job_id: str, fields: Fields) -> None:
        asked = int(fields.get(b"cancel_time", b"0"))
        if asked and now_ms() - asked > CANCEL_GRACE_MS:
            log.warning("jobs/%s does not stop by itself; its horse is killed", job_id)
            stop_part(self._redis, job_id, PART)

    def _repair(self, suspect: Suspect) -> None:
        if suspect.state == "queued":
            log.warning("jobs/%s is on no queue; it is dispatched again", suspect.job_id)
            dispatch(self._redis, suspect.job_id, PART)
        elif lose_attempt(self._redis, suspect.job_id, PART, suspect.attempt, "its worker fell silent"):
            log.warning("jobs/%s: attempt %d fell silent; it is queued again", suspect.job_id, suspect.attempt)
