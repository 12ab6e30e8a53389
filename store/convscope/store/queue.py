"""RQ as the dispatcher: it carries a job id and a part number, as JSON, to one function."""

import redis
from rq import Queue
from rq.serializers import JSONSerializer

__all__ = ["PART_FUNCTION", "QUEUE_NAME", "dispatch", "open_queue"]

# The only function that workers run.
PART_FUNCTION = "convscope.worker.horse.run_part"

# Jobs that run on any device.
QUEUE_NAME = "convscope-any"

# How long RQ keeps its own note of a part that raised, in seconds; the job's record says all that matters.
FAILURE_TTL_S = 3600


def open_queue(connection: redis.Redis) -> Queue:
    """Open the queue of parts."""
    return Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer)


def dispatch(connection: redis.Redis, job_id: str, part: int = 0) -> None:
    """Put a part on the queue."""
    open_queue(connection).enqueue(
        PART_FUNCTION,
        args=(job_id, part),
        job_timeout=-1,
        result_ttl=0,
        failure_ttl=FAILURE_TTL_S,
        description=f"part {part} of jobs/{job_id}",
    )
