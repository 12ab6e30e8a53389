"""Tickets: how workers without an executor are told that there is something to compute.

A ticket is a job of RQ's without content: it wakes a worker, which forks an executor, which claims whatever is next.
Losing one loses nothing, since more are made while parts are to be had and workers are idle; one too many does no harm.
"""

from typing import Final

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from convscope.store.redis.scripts import Scripts

__all__ = ["DEVICES", "EXECUTOR_FUNCTION", "TICKET_PREFIX", "make_ticket", "queue_name", "top_up_tickets"]

# What a ticket runs: the only function that workers accept.
EXECUTOR_FUNCTION: Final = "convscope.worker.executor.process.run_executor"

# What workers compute on.
DEVICES: Final = ("cpu", "gpu")

# How the ids of those begin that were asked for; their number follows.
TICKET_PREFIX: Final = "convscope-ticket-"

# How long a ticket waits for a worker, in seconds: those that are idle take it at once.
TICKET_TTL_S: Final = 10

# How long RQ keeps its own note of a ticket whose executor died, in seconds; the jobs' records say all that matters.
FAILURE_TTL_S: Final = 60


def queue_name(device: str) -> str:
    """Return the queue of a device's tickets."""
    return f"convscope-{device}"


def top_up_tickets(connection: redis.Redis) -> int:
    """Make tickets for parts that no executor was woken for, at most one for each idle worker; returns how many."""
    made = 0
    for device in DEVICES:
        for number in Scripts(connection).run("tickets", device, TICKET_TTL_S * 1000):
            make_ticket(connection, device, f"{TICKET_PREFIX}{number}")
            made += 1
    return made


def make_ticket(connection: redis.Redis, device: str, ticket_id: str | None = None) -> None:
    """Put a ticket on a device's queue, whatever there is to compute."""
    Queue(queue_name(device), connection=connection, serializer=JSONSerializer).enqueue(
        EXECUTOR_FUNCTION,
        job_id=ticket_id,
        job_timeout=-1,
        result_ttl=0,
        ttl=TICKET_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        description="takes parts of jobs",
    )
