"""RQ as the dispatcher: it carries a job id and a part number, as JSON, to one function."""

import contextlib

import redis
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer

from convscope.store.records import text

__all__ = ["PART_FUNCTION", "QUEUE_NAME", "dispatch", "open_queue", "queued_parts", "stop_part"]

# The only function that workers run.
PART_FUNCTION = "convscope.worker.horse.run_part"

# Jobs that run on any device.
QUEUE_NAME = "convscope-any"

# How long RQ keeps its own note of a part that raised, in seconds; the job's record says all that matters.
FAILURE_TTL_S = 600


def open_queue(connection: redis.Redis) -> Queue:
    """Open the queue of parts."""
    return Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer)


def dispatch(connection: redis.Redis, job_id: str, part: int = 0) -> None:
    """Put a part on the queue. Harmless to repeat: only a part that is queued in its record is taken up."""
    open_queue(connection).enqueue(
        PART_FUNCTION,
        args=(job_id, part),
        job_id=_rq_id(job_id, part),
        job_timeout=-1,
        result_ttl=0,
        failure_ttl=FAILURE_TTL_S,
        description=f"part {part} of jobs/{job_id}",
    )


def queued_parts(connection: redis.Redis) -> set[tuple[str, int]]:
    """Return job id and part of everything on the queue."""
    waiting = map(text, connection.lrange(open_queue(connection).key, 0, -1))
    return {(job_id, int(part)) for job_id, _, part in (each.partition("-") for each in waiting) if part.isdigit()}


def stop_part(connection: redis.Redis, job_id: str, part: int) -> None:
    """Have the horse that computes a part killed; nothing happens if RQ knows of none."""
    with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
        send_stop_job_command(connection, _rq_id(job_id, part), serializer=JSONSerializer)


def _rq_id(job_id: str, part: int) -> str:
    return f"{job_id}-{part}"
