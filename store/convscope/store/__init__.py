"""Job records, event log, artifacts and queues: everything that outlives a process.

State is in Redis and changes only by scripts that run inside it; artifacts are in an object store.
"""

from convscope.store.blobs import BlobStore, BlobTimeouts
from convscope.store.jobs.attempts import Attempt, Checkpoint
from convscope.store.jobs.candidates import Candidate, read_candidates
from convscope.store.jobs.events import LogEntry, LogPage, hydrate, read_log
from convscope.store.jobs.jobs import JobStore
from convscope.store.jobs.losses import dispatch_queued, lose_holder
from convscope.store.jobs.queue import dispatch, open_queue, queue_names
from convscope.store.jobs.waiting import settle_waiters
from convscope.store.models import ModelStore
from convscope.store.redis.connection import await_redis, connect_patiently, connect_promptly
from convscope.store.redis.part_scripts import ResultWanted
from convscope.store.redis.policy import PolicyError, check_policy
from convscope.store.redis.refusals import WritesRefusedError, check_writes
from convscope.store.redis.scripted import Image
from convscope.store.settings import StoreSettings
from convscope.store.upkeep.reconciler import Reconciler
from convscope.store.upkeep.sweeping import Sweeper

__all__ = [
    "Attempt",
    "BlobStore",
    "BlobTimeouts",
    "Candidate",
    "Checkpoint",
    "Image",
    "JobStore",
    "LogEntry",
    "LogPage",
    "ModelStore",
    "PolicyError",
    "Reconciler",
    "ResultWanted",
    "StoreSettings",
    "Sweeper",
    "WritesRefusedError",
    "await_redis",
    "check_policy",
    "check_writes",
    "connect_patiently",
    "connect_promptly",
    "dispatch",
    "dispatch_queued",
    "hydrate",
    "lose_holder",
    "open_queue",
    "queue_names",
    "read_candidates",
    "read_log",
    "settle_waiters",
]
