"""How much work will be claimed before a job that is ready gets its first part, by estimate.

What the scripts that claim decide is foretold here, roughly: priority first, then owners and their jobs by the seconds
of work that they have had. What comes later, and executors that stay with a job for a turn, are not foreseen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis

from convscope.store.jobs.records import text
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import Device, Job, Priority

__all__ = ["Ahead", "ahead_of"]

# From the first to be claimed to the last.
PRIORITIES: Final = ("high", "normal", "low")

# Jobs of one owner that are looked at; further ones are not counted.
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
        left: parts that are to be had.
    """

    job_id: str
    had: float
    cost: float
    left: int

    def until(self, had: float) -> Ahead:
        """Return what it gets until it has had more than so many seconds."""
        parts = min(self.left, int(max(0.0, had - self.had) / self.cost) + 1)
        return Ahead(parts, parts * self.cost)


def ahead_of(connection: redis.Redis, job: Job) -> Ahead:
    """Return what will be claimed before a job's first part by the workers that may take it."""
    priority = Priority.Name(job.priority).removeprefix("PRIORITY_").lower()
    device = Device.Name(job.device).removeprefix("DEVICE_").lower()
    devices = ("any", "cpu", "gpu") if device == "any" else ("any", device)
    job_id = job.name.removeprefix("jobs/")
    had = connection.zscore(key("ready_jobs", priority, device, job.owner), job_id)
    owner_had = connection.zscore(key("ready_owners", priority, device), job.owner)
    ahead = _more_urgent(connection, priority, devices)
    if had is None or owner_had is None:  # it was claimed just now
        return ahead
    mine = sum(
        (
            each.until(had)
            for each in _ready(connection, priority, devices, job.owner)
            if (each.had, each.job_id) < (had, job_id)
        ),
        Ahead(),
    )
    # While the owner's other jobs get theirs, the other owners get as much.
    return sum(_others(connection, priority, devices, job.owner, owner_had + mine.seconds), ahead + mine)


def _more_urgent(connection: redis.Redis, priority: str, devices: Sequence[str]) -> Ahead:
    names = [f"{each}:{device}" for each in PRIORITIES[: PRIORITIES.index(priority)] for device in devices]
    if not names:
        return Ahead()
    values = connection.hmget(KEYS["backlog"], [f"{what}:{name}" for what in ("parts", "seconds") for name in names])
    numbers = [float(value or 0) for value in values]
    return Ahead(round(sum(numbers[: len(names)])), sum(numbers[len(names) :]))


def _others(connection: redis.Redis, priority: str, devices: Sequence[str], owner: str, had: float) -> Iterable[Ahead]:
    """Yield what each of the other owners gets until it has had as much."""
    scores: dict[str, float] = {}
    for device in devices:
        found = cast(
            "list[tuple[bytes, float]]",
            connection.zrangebyscore(key("ready_owners", priority, device), "-inf", had, withscores=True),
        )
        scores |= {text(name): score for name, score in found}
    for other, score in scores.items():
        if (score, other) >= (had, owner) or other == owner:
            continue
        left, jobs = had - score, _ready(connection, priority, devices, other)
        ahead = Ahead()
        for each in sorted(jobs, key=lambda job: (job.had, job.job_id)):
            if ahead.seconds > left:
                break
            ahead += each.until(each.had + left - ahead.seconds)
        yield ahead


def _ready(connection: redis.Redis, priority: str, devices: Sequence[str], owner: str) -> list[_Ready]:
    """Return an owner's ready jobs, those that have had least."""
    found: list[tuple[bytes, float]] = []
    for device in devices:
        name = key("ready_jobs", priority, device, owner)
        found += cast("list[tuple[bytes, float]]", connection.zrange(name, 0, MOST_JOBS - 1, withscores=True))
    with connection.pipeline(transaction=False) as pipeline:
        for job_id, _ in found:
            pipeline.hmget(key("job", text(job_id)), "part_cost", "parts", "next")
            pipeline.llen(key("returned", text(job_id)))
        replies: list[Any] = pipeline.execute()
    jobs = []
    for (job_id, had), (cost, parts, begun), returned in zip(found, replies[::2], replies[1::2], strict=True):
        if cost is not None:  # it is still there
            jobs.append(_Ready(text(job_id), had, max(float(cost), 1e-6), int(parts) - int(begun) + returned))
    return jobs
