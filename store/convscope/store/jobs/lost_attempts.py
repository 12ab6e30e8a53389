"""Ends attempts whose workers died: their parts are queued again, a limited number of times."""

import secrets

import redis

from convscope.store.errors import NotFoundError
from convscope.store.jobs import records
from convscope.store.jobs.attempts import MAX_DEATHS, outcomes
from convscope.store.jobs.dependents import settle_all
from convscope.store.jobs.tickets import top_up_tickets
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import AttemptEnd, Fence, LateAttempt, Refused, Scripts
from convscope.v1.jobs_pb2 import AttemptLost, Failure, JobEvent

__all__ = ["mark_attempt_lost", "mark_holder_lost"]


def mark_attempt_lost(connection: redis.Redis, late: LateAttempt, cause: str) -> bool:
    """End an attempt whose worker died or stopped responding.

    The part is queued again; or the job ends as cancelled if it was asked to stop and no executor computes another part
    of it, or as failed if attempts keep dying.

    Args:
        connection: Redis.
        late: the attempt.
        cause: what is known of its end.

    Returns:
        Whether this attempt held the part.
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
    if ended.ended:
        settle_all(connection)
    top_up_tickets(connection)
    return True


def mark_holder_lost(connection: redis.Redis, worker: str, device: str, cause: str) -> bool:
    """End the attempt of a worker whose executor died.

    Args:
        connection: Redis.
        worker: name of the worker.
        device: device that it computes on.
        cause: what is known of the executor's end.

    Returns:
        Whether the worker held a part.
    """
    Scripts(connection).run("leave", worker, device)
    connection.hdel(KEYS["kill"], worker)
    held = connection.hget(KEYS["holders"], worker)
    if not held:
        return False
    job_id, part, nonce = records.text(held).split("|")
    number = connection.hget(key("parts", job_id), f"attempt:{part}")
    return mark_attempt_lost(connection, LateAttempt(job_id, int(part), int(number or 0), nonce, worker), cause)
