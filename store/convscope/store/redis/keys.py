"""Names of the keys in Redis, for Python and for the scripts."""

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["KEYS", "key", "lua_table"]

_NAMES: Final[dict[str, str]] = {
    # -- Indexes of jobs: sorted sets with equal scores, whose members, ids, are therefore ordered by time.
    # All jobs; those in a state; those of a kind in a state.
    "jobs": "jobs",
    "jobs_in_state": "jobs:state:%s",
    "jobs_of_kind": "jobs:kind:%s:%s",
    # Those of an owner that have a label with a value.
    "jobs_labelled": "jobs:label:%s:%s:%s",
    # Sorted set: all models by the time when their record was created, in milliseconds since 1970.
    "models": "models",
    # Sorted set: ended jobs by the time of their end, in milliseconds since 1970.
    "ended": "jobs:ended",
    # -- A job.
    # Hash: its record.
    "job": "{job:%s}",
    # Stream: its event log; entry n has the id ``n-0``.
    "events": "{job:%s}:events",
    # Hash: ``attempt``, ``nonce``, ``holder``, ... ``:part`` of each part that runs, or has run and is not done.
    "parts": "{job:%s}:parts",
    # List: parts that attempts released, to be computed before new ones.
    "returned": "{job:%s}:returned",
    # Hash: token of the last write to each part; it expires an hour after the job's end.
    "written": "{job:%s}:written",
    # Set: digests of the blobs that it refers to. With ``:further``, a hash: how many further references it has.
    "job_blobs": "{job:%s}:blobs",
    # Hash: digest of the blob of each image that is ready, by the image's number, from 0.
    "images": "{job:%s}:images",
    # Hash: the candidates for each image that is not ready, by its number; see ``candidates.py``.
    "candidates": "{job:%s}:candidates",
    # String: id of the job that an owner's request has created.
    "request": "request:%s:%s",
    # -- A model.
    # Hash: its record.
    "model": "{model:%s}",
    # Set: digests of the blobs that it refers to.
    "model_blobs": "{model:%s}:blobs",
    # Hash: digest of the blob of each image computed for it, by the image's cache key.
    "cached": "{model:%s}:images",
    # Set: ids of the jobs that wait for it.
    "waiters": "{model:%s}:waiters",
    # Set: ids of models that are deleted or whose training has ended: the jobs that wait for them must be settled.
    "unsettled": "unsettled",
    # Set: jobs that could not be planned before their models were trained, and can be now.
    "unplanned": "unplanned",
    # -- The ready set; see ``job.lua``.
    # Sorted sets: owners of a priority and device, jobs of one of them, by the seconds of work that they have had.
    "ready_owners": "ready:%s:%s",
    "ready_jobs": "ready:%s:%s:%s",
    # Hash, of a priority: where new owners and jobs begin, by device, and how much work each owner has had.
    "clocks": "clocks:%s",
    # Hash: ``parts:priority:device`` and ``seconds:...`` of work that is ready.
    "backlog": "ready:backlog",
    # -- Executors and workers.
    # Sorted sets: executors of a device that wait for a part, by the time when they stop waiting. Those that were woken
    # and have not claimed yet, by the time when they are given up.
    "waiting": "waiting:%s",
    "woken": "woken:%s",
    # List, of a worker: its executor waits for an element.
    "wake": "wake:%s",
    # Hash: digests of the files of the models that each waiting executor has loaded, by worker.
    "warm": "warm",
    # Sorted set: workers of a device without an executor, by the time until which that is assumed.
    "idle": "idle:%s",
    # Sorted set: tickets of a device, by the time when they expire. How many there ever were.
    "tickets": "tickets:%s",
    "ticket_count": "tickets:count",
    # Sorted set: workers by the time of their last report. Hash: the record of one.
    "workers": "workers",
    "worker": "worker:%s",
    # -- Attempts.
    # Sorted set: ``job|part`` of each attempt, by the time at which its lease runs out.
    "leases": "leases",
    # Hash: ``job|part|nonce`` of the attempt that each worker took last.
    "holders": "holders",
    # Hash: nonce of the attempt whose executor must be killed, by worker.
    "kill": "kill",
    # Sorted set: jobs that were asked to stop, by the time at which their executors are killed.
    "cancelling": "cancelling",
    # Sorted set: jobs with a timeout that have begun, by the time at which they fail.
    "deadlines": "deadlines",
    # Sorted set: ``nonce|worker`` of attempts at jobs that have ended, by the time at which executors are killed.
    "outrun": "outrun",
    # -- Blobs; see ``prelude.lua``.
    # Hash: how many jobs and models refer to each. Sorted set: those without references, by the time since when.
    "references": "references",
    "unreferenced": "unreferenced",
    # How often batches were condemned or struck off. Hash: number of the batch of each condemned blob.
    "batch": "batch",
    "condemned": "condemned",
    # Sorted set: those whose files were deleted, by number of the strike. Numbers up to the floor are forgotten.
    "struck": "struck",
    "struck_floor": "struck:floor",
    # List: ``kind key`` of what is left of deleted records, to be released in slices. How many there ever were.
    "trash": "trash",
    "trash_count": "trash:count",
    # -- Upkeep.
    # Token of the process that leads, with a time to live. Time of the last round. Exists for a while after a sweep.
    "leader": "leader",
    "looked": "leader:looked",
    "swept": "swept",
    # Held while files are deleted.
    "collecting": "collecting",
    # Hash, see ``deployment.py``: identity (``id``, ``epoch``), layout of records (``layout``), the epoch that is
    # wanted next (``next_...``), when this Redis adopted the store (``adopted``), why a sweep stopped (``stopped``).
    # Exists for a while after the epoch was advanced.
    "deployment": "deployment",
    "advanced": "deployment:advanced",
    # One stream that repeats every event, so that a service wakes its watchers with a single blocking read.
    "notify": "notify",
    # Never exists: deleting it shows whether Redis accepts writes.
    "nothing": "nothing",
}

# Templates of the keys' names, by their names in the code.
KEYS: Final[Mapping[str, str]] = MappingProxyType({name: f"convscope:{text}" for name, text in _NAMES.items()})


def key(name: str, *ids: str) -> str:
    """Return the name of a key.

    Args:
        name: its name in ``KEYS``.
        ids: values for the template, such as a job's id.
    """
    return KEYS[name] % ids


def lua_table(names: Container[str]) -> str:
    """Return the templates of those of the names that are keys, as a table for the scripts."""
    lines = [f"  {name} = '{text}',\n" for name, text in KEYS.items() if name in names]
    return "".join(["local KEY = {\n", *lines, "}\n"])
