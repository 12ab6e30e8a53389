"""Tickets wake workers without an executor when there are parts to compute.

A ticket is an RQ job without content: it wakes a worker, which forks an executor, which claims the next part. A lost
ticket is replaced while parts are ready and workers are idle; an extra one is harmless.
"""

from typing import Final

import redis
from rq import Queue, get_current_job
from rq.serializers import JSONSerializer

from convscope.store.redis.scripts import Scripts

__all__ = [
    "DEVICES",
    "EXECUTOR_FUNCTION",
    "TICKET_PREFIX",
    "describe_ticket",
    "make_ticket",
    "queue_name",
    "top_up_tickets",
]

# The function that a ticket runs, the only one that workers accept.
EXECUTOR_FUNCTION: Final = "convscope.worker.executor.process.run_executor"

# Devices that workers compute on.
DEVICES: Final = ("cpu", "gpu")

# Prefix of the ids of tickets that ``top_up_tickets`` creates; their number follows.
TICKET_PREFIX: Final = "convscope-ticket-"

# How long a ticket waits for a worker, in seconds: idle workers take it at once.
TICKET_TTL_S: Final = 10

# How long RQ keeps a ticket whose executor died, in seconds; the jobs' records have all that matters.
FAILURE_TTL_S: Final = 60


def queue_name(device: str) -> str:
    """Return the name of the queue of a device's tickets."""
    return f"convscope-{device}"


def top_up_tickets(connection: redis.Redis) -> int:
    """Create tickets for parts that no executor was woken for, at most one for each idle worker; return how many."""
    count = 0
    for device in DEVICES:
        for number in Scripts(connection).run("tickets", device, TICKET_TTL_S * 1000):
            make_ticket(connection, device, f"{TICKET_PREFIX}{number}")
            count += 1
    return count


def make_ticket(connection: redis.Redis, device: str, ticket_id: str | None = None) -> None:
    """Put a ticket on a device's queue, whether or not there is anything to compute."""
    Queue(queue_name(device), connection=connection, serializer=JSONSerializer).enqueue(
        EXECUTOR_FUNCTION,
        job_id=ticket_id,
        job_timeout=-1,
        result_ttl=0,
        ttl=TICKET_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        description="takes parts of jobs",
    )


def describe_ticket(connection: redis.Redis, description: str) -> None:
    """Write what this process does into its ticket, where RQ's own tools show it; without a ticket, do nothing."""
    ticket = get_current_job()
    if ticket is not None:
        Scripts(connection).run("describe_ticket", ticket.key, description)
