"""What becomes of a part whose attempt ended without a word: it is queued again, but not for ever."""

import secrets

import redis

from convscope.store.errors import NotFoundError
from convscope.store.jobs import records
from convscope.store.jobs.attempts import MAX_DEATHS, outcomes
from convscope.store.jobs.dependents import settle_waiters
from convscope.store.jobs.queue import dispatch
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import AttemptEnd, Fence, LateAttempt, Refused, Scripts
from convscope.v1.jobs_pb2 import AttemptLost, Failure, JobEvent

__all__ = ["dispatch_queued", "mark_attempt_lost", "mark_holder_lost"]


def mark_attempt_lost(connection: redis.Redis, late: LateAttempt, cause: str) -> bool:
    """End an attempt whose worker died or fell silent.

    The part is queued again; or the job ends as cancelled if it was asked to stop and no executor computes another part
    of it, or as failed if attempts keep dying.

    Returns:
        Whether it was this attempt that held the part.
    """
    lost = AttemptLost(part=late.part, attempt=late.number, cause=cause)
    message = f"the worker died {MAX_DEATHS} times, last {cause}"
    failure = Failure(reason=Failure.REASON_WORKER_LOST, message=message)
    fence = Fence(job_id=late.job_id, part=late.part, nonce=late.nonce, token=f"lost.{secrets.token_hex(8)}")
    end = AttemptEnd(how="lost", lost=JobEvent(attempt_lost=lost), failure=failure)
    try:
        ended = Scripts(connection).end_attempt(fence, end, outcomes(failure), MAX_DEATHS)
    except (Refused, NotFoundError):
        return False
    if ended.queued:
        dispatch(connection, late.job_id, late.part)
    if ended.ended:
        settle_waiters(connection, late.job_id)  # a training's model has its id
    return True


def mark_holder_lost(connection: redis.Redis, job_id: str, part: int, worker: str, cause: str) -> None:
    """End the attempt of a worker whose executor died; a part that it had not taken yet is dispatched again.

    Args:
        connection: Redis.
        job_id: the job that the executor was forked for; it may have gone on to another part of it.
        part: the part that it was forked for.
        worker: name of the worker.
        cause: what is known of the executor's end.
    """
    held = connection.hget(KEYS["holders"], worker)
    if not held or not _mark(connection, records.text(held), worker, cause):
        dispatch_queued(connection, job_id, part)


def _mark(connection: redis.Redis, held: str, worker: str, cause: str) -> bool:
    job_id, part, nonce = held.split("|")
    number = connection.hget(key("parts", job_id), f"attempt:{part}")
    return mark_attempt_lost(connection, LateAttempt(job_id, int(part), int(number or 0), nonce, worker), cause)


def dispatch_queued(connection: redis.Redis, job_id: str, part: int) -> None:
    """Put a part on its job's queue if its record says that it is queued."""
    if connection.hget(key("parts", job_id), f"state:{part}") == b"queued":
        dispatch(connection, job_id, part)
