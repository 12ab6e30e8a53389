"""What must not be left when all jobs have ended. Each check yields what is left all the same."""

import contextlib
import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import redis
from rq.command import PUBSUB_CHANNEL_TEMPLATE

from chaos.cluster import processes_of
from convscope.store import BlobStore, Sweeper, read_log
from convscope.store.errors import BlobError
from convscope.store.jobs.attempts import LEASE_MS
from convscope.store.jobs.queue import carrier, queued_parts
from convscope.store.jobs.records import text
from convscope.store.redis.keys import KEYS, key
from convscope.v1.jobs_pb2 import Job

__all__ = ["deaf", "left_in_blobs", "left_in_redis", "left_of_processes", "needless_blobs"]

# All leases.
LEASES = "convscope:*:lease:*"

# How long a worker may take to notice that it hears nothing, in seconds.
HEARING_S = 25.0

# How long a horse may take to end after its job has, in seconds: one whose network was cut silently waits for a reply
# that does not come, until its connection's patience is over, and then once more for another.
ENDING_S = 30.0

# No job of a run has more.
MOST_EVENTS = 10_000


def left_in_redis(connection: redis.Redis) -> Iterator[str]:
    """Leases, parts, candidates, active jobs, jobs that wait, and entries of queues.

    Leases have the time that they take to run out; workers as long to take entries of jobs that have ended.
    """
    deadline = time.monotonic() + LEASE_MS / 1000 + 1
    while _goes_by_itself(connection) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pattern in (LEASES, "convscope:*:parts", "convscope:*:candidates", "convscope:*:waiters"):
        for key in connection.scan_iter(match=pattern, count=1000):
            yield f"{text(key)} is left"
    active = sorted(map(text, connection.smembers(keys.ACTIVE)))
    if active:
        yield f"{keys.ACTIVE} has {active}"
    if queued := sorted(queued_parts(connection)):
        yield f"the queues have {[carrier(*each) for each in queued]}"


def _goes_by_itself(connection: redis.Redis) -> bool:
    return any(connection.scan_iter(match=LEASES, count=1000)) or bool(queued_parts(connection))


def deaf(connection: redis.Redis, workers: Collection[str]) -> Iterator[str]:
    """Workers that nobody could tell to stop a part, though they have had the time to notice that."""
    deadline = time.monotonic() + HEARING_S
    channels = [PUBSUB_CHANNEL_TEMPLATE % worker for worker in workers]
    while True:
        unheard = [text(channel) for channel, count in connection.pubsub_numsub(*channels) if not count]
        if not unheard or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for channel in unheard:
        yield f"nobody listens on {channel}"


def needless_blobs(connection: redis.Redis, jobs: list[Job]) -> Iterator[str]:
    """Blobs that a job which has ended points to without need: what is neither in its events nor its result."""
    for job in jobs:
        job_id = job.name.removeprefix("jobs/")
        entries = read_log(connection, job_id, 0, MOST_EVENTS).entries
        needed = {entry.blob for entry in entries}
        pointed = set(map(text, connection.smembers(key("job_blobs", job_id))))
        if needless := pointed - needed:
            yield f"{job.name} points to {len(needless)} blobs without need"


def left_in_blobs(connection: redis.Redis, blobs: BlobStore) -> Iterator[str]:
    """After a sweep, exactly what is referenced is stored, undamaged; and references are counted right."""
    Sweeper(connection, blobs).sweep(timedelta(0), force=True)
    stored = {blob.digest for batch in blobs.stored() for blob in batch}
    counted = {text(digest): int(count) for digest, count in connection.hgetall(KEYS["references"]).items()}
    pointed: dict[str, int] = {}
    for owner in connection.scan_iter(match="convscope:*:blobs", count=1000):
        for digest in map(text, connection.smembers(owner)):
            pointed[digest] = pointed.get(digest, 0) + 1
    if pointed != counted:
        yield f"references are miscounted: {sorted(set(pointed.items()) ^ set(counted.items()))}"
    for digest in sorted(stored - set(counted)):
        yield f"blob {digest} is stored, and nothing points to it"
    for digest in sorted(counted):
        try:
            blobs.get(digest)
        except BlobError as error:
            yield str(error)


def left_of_processes(home: Path, *, expected: Collection[int], patience: float = ENDING_S) -> Iterator[str]:
    """Processes of the cluster with this home other than those expected, if they do not end by themselves."""
    deadline = time.monotonic() + patience
    while any(each.pid not in expected for each in processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in processes_of(home):
        if process.pid not in expected:
            with contextlib.suppress(psutil.NoSuchProcess):
                yield f"process {process.pid} is left: {' '.join(process.cmdline())}, {process.status()}"
