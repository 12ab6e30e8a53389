"""What must not be left when all jobs have ended. Each check yields what is left."""

import contextlib
import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import psutil
import redis

from chaos.cluster import processes_of
from convscope.store import BlobStore, Collector, Deployment, JobStore, Sweeper, WorkerStore, read_log
from convscope.store.errors import BlobError
from convscope.store.jobs.attachments import Attachments
from convscope.store.jobs.attempts import LEASE_MS
from convscope.store.jobs.records import text
from convscope.store.redis.keys import KEYS, key
from convscope.store.upkeep.adopting import Adoption
from convscope.v1.jobs_pb2 import Job

__all__ = ["left_in_blobs", "left_in_redis", "left_of_processes", "needless_blobs", "unseen"]

# States of jobs that have not ended.
UNENDED = ("waiting", "queued", "running")

# What only jobs that have not ended have.
PATTERNS = ("parts", "returned", "candidates", "waiters")

# What must be empty when all jobs have ended: what is in them goes by itself, within the time of a lease.
EMPTY = (
    "leases",
    "cancelling",
    "deadlines",
    "unsettled",
    "unplanned",
    *(key("jobs_in_state", state) for state in UNENDED),
)

# How long a worker may take to be seen again, in seconds.
SEEN_S = 25.0

# How long an executor may take to end after its job has, in seconds: one whose network was cut silently waits for a
# reply that does not come, until its connection gives up, and then for another one.
ENDING_S = 30.0

# No job of a run has more.
MOST_EVENTS = 10_000


def left_in_redis(connection: redis.Redis) -> Iterator[str]:
    """Yield leases, parts, candidates, jobs that have not ended, and parts that can be claimed.

    Leases have the time that they take to run out.
    """
    deadline = time.monotonic() + LEASE_MS / 1000 + 1
    while any(_members(connection, name) for name in EMPTY) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pattern in PATTERNS:
        for name in connection.scan_iter(match=f"convscope:{{*}}:{pattern}", count=1000):
            yield f"{text(name)} is left"
    for name, members in ((name, _members(connection, name)) for name in EMPTY):
        if members:
            yield f"{name} has {sorted(members)}"
    yield from _left_ready(connection)


def _left_ready(connection: redis.Redis) -> Iterator[str]:
    for name, count in connection.hgetall(KEYS["backlog"]).items():
        yield f"{KEYS['backlog']} has {text(count)} {text(name)}"
    for name in connection.scan_iter(match="convscope:ready:*:*", count=1000):
        yield f"{text(name)} is left"


def _members(connection: redis.Redis, name: str) -> list[str]:
    name = KEYS.get(name, name)
    if connection.type(name) == b"set":
        return list(map(text, connection.smembers(name)))
    return list(map(text, cast("list[bytes]", connection.zrange(name, 0, -1))))


def unseen(connection: redis.Redis, workers: Collection[str]) -> Iterator[str]:
    """Yield workers that are not registered, though they have had the time to register."""
    deadline = time.monotonic() + SEEN_S
    while True:
        seen = {worker.name for worker in WorkerStore(connection).list() if not worker.silent}
        if seen.issuperset(workers) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for worker in sorted({*workers} - seen):
        yield f"{worker} is not seen"


def needless_blobs(connection: redis.Redis, jobs: list[Job]) -> Iterator[str]:
    """Yield blobs that an ended job refers to without need: what is not in its events, result, examples and files."""
    store = JobStore(connection)
    for job in jobs:
        job_id = job.name.removeprefix("jobs/")
        entries = read_log(connection, job_id, 0, MOST_EVENTS).entries
        attachments = Attachments(examples=store.examples(job.name), files=store.files(job.name))
        needed = {*(entry.blob for entry in entries), *attachments.blobs}
        referred = set(map(text, connection.smembers(key("job_blobs", job_id))))
        if needless := referred - needed:
            yield f"{job.name} refers to {len(needless)} blobs without need"


def left_in_blobs(connection: redis.Redis, blobs: BlobStore) -> Iterator[str]:
    """Check that after a sweep exactly what is referenced is stored, undamaged, and references are counted right."""
    _sweep(connection, blobs)
    stored = {blob.digest for batch in blobs.stored() for blob in batch}
    counted = {text(digest): int(count) for digest, count in connection.hgetall(KEYS["references"]).items()}
    referred: dict[str, int] = {}
    for owner in connection.scan_iter(match="convscope:{*}:blobs", count=1000):
        for digest in map(text, connection.smembers(owner)):
            referred[digest] = referred.get(digest, 0) + 1
    if referred != counted:
        yield f"references are miscounted: {sorted(set(referred.items()) ^ set(counted.items()))}"
    for digest in sorted(stored - set(counted)):
        yield f"blob {digest} is stored, and nothing refers to it"
    for digest in sorted(counted):
        try:
            blobs.get(digest)
        except BlobError as error:
            yield str(error)


def _sweep(connection: redis.Redis, blobs: BlobStore) -> None:
    """Delete all that is not needed, however young."""
    if not Deployment(connection, blobs.objects).standing().deletes:  # Redis has forgotten its epoch
        adoption = Adoption(connection, blobs)
        adoption.run(adoption.plan())
    collector = Collector(connection, blobs)
    while collector.has_garbage():
        collector.tick(patience_ms=0)
    Sweeper(connection, blobs).sweep(timedelta(0), all_ages=True, force=True)


def left_of_processes(home: Path, *, expected: Collection[int], patience: float = ENDING_S) -> Iterator[str]:
    """Yield processes of the cluster with this home other than those expected, if they do not end by themselves."""
    deadline = time.monotonic() + patience
    while any(process.pid not in expected for process in processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in processes_of(home):
        if process.pid not in expected:
            with contextlib.suppress(psutil.NoSuchProcess):
                yield f"process {process.pid} is left: {' '.join(process.cmdline())}, {process.status()}"
