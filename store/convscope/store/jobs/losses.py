"""What becomes of a part whose attempt ended without a word: it is queued again, but not for ever."""

import secrets

import redis

from convscope.store.errors import NotFoundError
from convscope.store.jobs import records
from convscope.store.jobs.parts import read_parts
from convscope.store.jobs.queue import dispatch
from convscope.store.jobs.waiting import settle_waiters
from convscope.store.redis import keys
from convscope.store.redis.part_scripts import MAX_DEATHS, Leave, PartScripts
from convscope.store.redis.scripted import Refused
from convscope.v1.jobs_pb2 import AttemptLost, Failure, JobEvent

__all__ = ["MAX_DEATHS", "dispatch_queued", "lose_attempt", "lose_holder"]


def lose_attempt(connection: redis.Redis, job_id: str, part: int, attempt: int, cause: str) -> bool:
    """End an attempt whose worker died or fell silent.

    The part is queued again; or the job ends as cancelled if it was asked to stop and nobody computes another part of
    it, or as failed if attempts keep dying.

    Returns:
        Whether it was this attempt that held the part.
    """
    message = f"the worker died {MAX_DEATHS} times, last {cause}"
    leave = Leave(
        how="lost",
        token=f"lost.{secrets.token_hex(8)}",
        lost=records.timed(JobEvent(attempt_lost=AttemptLost(part=part, attempt=attempt, cause=cause))),
        failure=Failure(reason=Failure.REASON_WORKER_LOST, message=message),
    )
    try:
        left = PartScripts(connection).leave(job_id, part, attempt, leave)
    except (Refused, NotFoundError):
        return False
    if left.queued:
        dispatch(connection, job_id, part)
    if left.ended:
        settle_waiters(connection, job_id)  # a training's model has its id
    return True


def lose_holder(connection: redis.Redis, job_id: str, part: int, worker: str, cause: str) -> None:
    """End the attempt of a worker whose horse died; a part that it had not taken up yet is dispatched again.

    Args:
        connection: Redis.
        job_id: the job that the horse was forked for; it may have gone on to another part of it.
        part: the part that it was forked for.
        worker: name of the worker.
        cause: what is known of the horse's end.
    """
    parts = read_parts(records.read_record(connection, keys.parts_key(job_id)))
    held = [number for number, each in parts.items() if each.state == "running" and each.holder == worker]
    for number in held:
        lose_attempt(connection, job_id, number, parts[number].attempt, cause)
    if not held:
        dispatch_queued(connection, job_id, part)


def dispatch_queued(connection: redis.Redis, job_id: str, part: int) -> None:
    """Put a part on its job's queue if its record says that it is queued."""
    if connection.hget(keys.parts_key(job_id), f"state:{part}") == b"queued":
        dispatch(connection, job_id, part)
