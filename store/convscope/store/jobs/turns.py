"""Estimates how much work will be claimed before the first part of a ready job.

This predicts roughly what the claiming script decides: priority first, then owners and their jobs by the seconds of
work that they have had. Later jobs, and executors that stay with a job for a turn, are not predicted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis

from convscope.store.jobs.records import device_name, priority_name, text
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import Job

__all__ = ["Ahead", "ahead_of"]

# From the first to be claimed to the last.
PRIORITIES: Final = ("high", "normal", "low")

# Most jobs of an owner to read; further ones are not counted.
MOST_JOBS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ahead:
    """Work of one worker: parts, and their seconds by estimate."""

    parts: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Ahead") -> "Ahead":
        return Ahead(self.parts + other.parts, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A job in the ready set.

    Attributes:
        job_id: its id.
        had: seconds of work that it has had, by the owner's clock.
        cost: seconds of a part, by estimate.
        left: parts that are ready.
    """

    job_id: str
    had: float
    cost: float
    left: int

    def until(self, had: float) -> Ahead:
        """Return the work that it gets until it has had more than ``had`` seconds."""
        parts = min(self.left, int(max(0.0, had - self.had) / self.cost) + 1)
        return Ahead(parts, parts * self.cost)


def ahead_of(connection: redis.Redis, job: Job) -> Ahead:
    """Return the work that will be claimed before a job's first part by the workers that may take it."""
    priority = priority_name(job.priority)
    device = device_name(job.device)
    devices = ("any", "cpu", "gpu") if device == "any" else ("any", device)
    job_id = job.name.removeprefix("jobs/")
    had = connection.zscore(key("ready_jobs", priority, device, job.owner), job_id)
    owner_had = connection.zscore(key("ready_owners", priority, device), job.owner)
    ahead = _more_urgent(connection, priority, devices)
    if had is None or owner_had is None:  # it was claimed just now
        return ahead
    mine = sum(
        (
            other.until(had)
            for other in _ready(connection, priority, devices, job.owner)
            if (other.had, other.job_id) < (had, job_id)
        ),
        Ahead(),
    )
    # While the owner's other jobs get their parts, the other owners get as much work.
    return sum(_others(connection, priority, devices, job.owner, owner_had + mine.seconds), ahead + mine)


def _more_urgent(connection: redis.Redis, priority: str, devices: Sequence[str]) -> Ahead:
    names = [f"{urgent}:{device}" for urgent in PRIORITIES[: PRIORITIES.index(priority)] for device in devices]
    if not names:
        return Ahead()
    values = connection.hmget(KEYS["backlog"], [f"{unit}:{name}" for unit in ("parts", "seconds") for name in names])
    numbers = [float(value or 0) for value in values]
    return Ahead(round(sum(numbers[: len(names)])), sum(numbers[len(names) :]))


def _others(connection: redis.Redis, priority: str, devices: Sequence[str], owner: str, had: float) -> Iterable[Ahead]:
    """Yield the work that each other owner gets until it has had as much."""
    scores: dict[str, float] = {}
    for device in devices:
        pairs = cast(
            "list[tuple[bytes, float]]",
            connection.zrangebyscore(key("ready_owners", priority, device), "-inf", had, withscores=True),
        )
        scores |= {text(name): score for name, score in pairs}
    for other, score in scores.items():
        if (score, other) >= (had, owner) or other == owner:
            continue
        left, jobs = had - score, _ready(connection, priority, devices, other)
        ahead = Ahead()
        for job in sorted(jobs, key=lambda job: (job.had, job.job_id)):
            if ahead.seconds > left:
                break
            ahead += job.until(job.had + left - ahead.seconds)
        yield ahead


def _ready(connection: redis.Redis, priority: str, devices: Sequence[str], owner: str) -> list[_Ready]:
    """Return an owner's ready jobs, those first that have had the least work."""
    pairs: list[tuple[bytes, float]] = []
    for device in devices:
        name = key("ready_jobs", priority, device, owner)
        pairs += cast("list[tuple[bytes, float]]", connection.zrange(name, 0, MOST_JOBS - 1, withscores=True))
    with connection.pipeline(transaction=False) as pipeline:
        for job_id, _ in pairs:
            pipeline.hmget(key("job", text(job_id)), "part_cost", "parts", "next")
            pipeline.llen(key("returned", text(job_id)))
        replies: list[Any] = pipeline.execute()
    jobs = []
    for (job_id, had), (cost, parts, begun), returned in zip(pairs, replies[::2], replies[1::2], strict=True):
        if cost is not None:  # else it was deleted meanwhile
            jobs.append(_Ready(text(job_id), had, max(float(cost), 1e-6), int(parts) - int(begun) + returned))
    return jobs
