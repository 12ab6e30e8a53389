"""Puts right what deaths leave behind: parts that nobody has, silent attempts, requests to stop that went unheard.

It clears up as well: entries of ended jobs are taken off the queues, of which some may have no worker that would.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import redis

from convscope.store.failpoints import failpoint
from convscope.store.jobs.losses import lose_attempt
from convscope.store.jobs.parts import PartRecord, read_parts
from convscope.store.jobs.queue import dispatch, queued_parts, stop_part, withdraw
from convscope.store.jobs.records import now_ms, text
from convscope.store.jobs.waiting import settle_waiters
from convscope.store.redis import keys, lua

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


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part that looks lost; the attempt tells one loss from the next."""

    job_id: str
    part: int
    state: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """A job that is queued or running, when it was asked to stop (0: never), and its parts that are under way."""

    job_id: str
    cancel_time: int
    parts: Mapping[int, PartRecord]


@dataclass(frozen=True, slots=True)
class ActivePart:
    """One of them, and whether its attempt has a lease."""

    job: ActiveJob
    number: int
    record: PartRecord
    leased: bool


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
        active = {text(each) for each in self._redis.smembers(keys.ACTIVE)}
        self._clear(queued, active)
        jobs = self._jobs(sorted(active))
        for part in self._parts(jobs):
            self._hurry(part)
            queues = part.record.state == "queued" and (part.job.job_id, part.number) in queued
            if not queues and not part.leased:
                suspect = Suspect(part.job.job_id, part.number, part.record.state, part.record.attempt)
                suspects[suspect] = self._since.get(suspect, now)
        lost = [suspect for suspect, since in suspects.items() if now - since >= GRACE_S]
        for suspect in lost:
            self._repair(suspect)
        self._since = {suspect: since for suspect, since in suspects.items() if suspect not in lost}

    def _clear(self, queued: Collection[tuple[str, int]], active: Collection[str]) -> None:
        """Take off the queues what belongs to no active job: it has ended since, as jobs are active before queued."""
        for job_id, part in sorted(queued):
            if job_id not in active:
                withdraw(self._redis, job_id, part)

    def _jobs(self, job_ids: Sequence[str]) -> list[ActiveJob]:
        """Return those of the jobs that are queued or running; those that wait are settled, where it is time."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hmget(keys.job_key(job_id), "state", "needs", "cancel_time")
                pipeline.hgetall(keys.parts_key(job_id))
            replies = pipeline.execute()
        jobs = []
        for job_id, (state, needs, cancel_time), parts in zip(job_ids, replies[::2], replies[1::2], strict=True):
            if state == b"waiting":
                settle_waiters(self._redis, text(needs).removeprefix("models/"))
            elif state is not None:
                jobs.append(ActiveJob(job_id, int(cancel_time or 0), read_parts(parts)))
        return jobs

    def _parts(self, jobs: list[ActiveJob]) -> list[ActivePart]:
        """Return the parts of jobs, and which of them are leased."""
        found = [(job, number, record) for job in jobs for number, record in job.parts.items()]
        with self._redis.pipeline(transaction=False) as pipeline:
            for job, number, _ in found:
                pipeline.exists(keys.lease_key(job.job_id, number))
            leases = pipeline.execute()
        return [
            ActivePart(job, number, record, leased=bool(lease) and record.state == "running")
            for (job, number, record), lease in zip(found, leases, strict=True)
        ]

    def _hurry(self, part: ActivePart) -> None:
        asked = part.job.cancel_time
        if part.leased and asked and now_ms() - asked > CANCEL_GRACE_MS:
            log.warning("jobs/%s does not stop by itself; its horse is killed", part.job.job_id)
            stop_part(self._redis, part.record.carrier)

    def _repair(self, suspect: Suspect) -> None:
        failpoint("reconcile.before_repair")
        job_id, part = suspect.job_id, suspect.part
        if suspect.state == "queued":
            log.warning("jobs/%s: part %d is on no queue; it is dispatched again", job_id, part)
            dispatch(self._redis, job_id, part)
        elif lose_attempt(self._redis, job_id, part, suspect.attempt, "its worker fell silent"):
            log.warning("jobs/%s: attempt %d at part %d fell silent", job_id, suspect.attempt, part)
