"""RQ as the dispatcher: it carries a job id and a part number, as JSON, to one function."""

import contextlib
from collections.abc import Sequence

import redis
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from convscope.store.jobs.records import text
from convscope.store.redis import keys

__all__ = [
    "DEVICES",
    "ENTRY_PREFIX",
    "PART_FUNCTION",
    "PRIORITIES",
    "carrier",
    "dispatch",
    "open_queue",
    "queue_keys",
    "queue_names",
    "queued_parts",
    "stop_part",
    "withdraw",
]

# The only function that workers run.
PART_FUNCTION = "convscope.worker.executor.horse.run_part"

# There is a queue for each priority and device.
PRIORITIES = ("high", "normal", "low")
DEVICES = ("any", "cpu", "gpu")

# How long RQ keeps its own note of a part that raised, in seconds; the job's record says all that matters.
FAILURE_TTL_S = 600

# What RQ puts in front of an entry's id to name its record.
ENTRY_PREFIX = str(Job.redis_job_namespace_prefix)


def queue_names(device: str) -> list[str]:
    """Return the queues that a worker with a device listens to, ``cpu`` or ``gpu``, by priority.

    There are two of each, for parts that need the device and for those that any worker could take; they take turns.
    """
    return [_name(priority, each) for priority in PRIORITIES for each in (device, "any")]


def queue_keys(names: Sequence[str]) -> list[str]:
    """Return the keys of queues in Redis."""
    return [f"{Queue.redis_queue_namespace_prefix}{name}" for name in names]


def open_queue(connection: redis.Redis, priority: str = "normal", device: str = "any") -> Queue:
    """Open a queue of parts."""
    return Queue(_name(priority, device), connection=connection, serializer=JSONSerializer)


def dispatch(connection: redis.Redis, job_id: str, part: int = 0) -> None:
    """Put a part on its job's queue. Harmless to repeat: only a part that is queued in its record is taken up."""
    found = connection.hmget(keys.job_key(job_id), ["priority", "device"])
    priority, device = (text(each) if each else default for each, default in zip(found, ("normal", "any"), strict=True))
    open_queue(connection, priority, device).enqueue(
        PART_FUNCTION,
        args=(job_id, part),
        job_id=carrier(job_id, part),
        job_timeout=-1,
        result_ttl=0,
        failure_ttl=FAILURE_TTL_S,
        description=f"part {part} of jobs/{job_id}",
    )


def queued_parts(connection: redis.Redis) -> set[tuple[str, int]]:
    """Return job id and part of everything on the queues."""
    with connection.pipeline(transaction=True) as pipeline:
        for key in queue_keys(_every_name()):
            pipeline.lrange(key, 0, -1)
        waiting = [text(entry) for entries in pipeline.execute() for entry in entries]
    return {(job_id, int(part)) for job_id, _, part in (each.partition("-") for each in waiting) if part.isdigit()}


def withdraw(connection: redis.Redis, job_id: str, part: int) -> None:
    """Take the entries of a part off the queues.

    One that a worker has just taken off keeps its record, of which the worker disposes.
    """
    entry = carrier(job_id, part)
    if sum(connection.lrem(key, 0, entry) for key in queue_keys(_every_name())):
        connection.delete(ENTRY_PREFIX + entry)


def stop_part(connection: redis.Redis, entry: str) -> None:
    """Have a horse killed; nothing happens if RQ knows of none.

    Args:
        connection: Redis.
        entry: the entry that the horse was forked for: see ``carrier``.
    """
    with contextlib.suppress(NoSuchJobError, InvalidJobOperation):
        send_stop_job_command(connection, entry, serializer=JSONSerializer)


def carrier(job_id: str, part: int) -> str:
    """Return the id of the entry that carries a part, under which RQ knows the horse as long as it lives."""
    return f"{job_id}-{part}"


def _every_name() -> list[str]:
    return [_name(priority, device) for priority in PRIORITIES for device in DEVICES]


def _name(priority: str, device: str) -> str:
    return f"convscope-{priority}-{device}"
