"""Job records, event logs, artifacts and queues: everything that outlives a process.

State is in Redis and changes only by scripts that run inside it; artifacts are in an object store.
"""

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Deployment, Standing
from convscope.store.jobs.attempts import Attempt, Checkpoint
from convscope.store.jobs.candidates import Candidate, read_candidates
from convscope.store.jobs.dependents import settle_waiters
from convscope.store.jobs.events import LogEntry, LogPage, hydrate, read_log
from convscope.store.jobs.jobs import JobStore
from convscope.store.jobs.late_plans import LatePlans, UnplannedJob
from convscope.store.jobs.lost_attempts import mark_holder_lost
from convscope.store.jobs.tickets import make_ticket, queue_name, top_up_tickets
from convscope.store.model_manifests import ModelManifests
from convscope.store.models import ModelStore
from convscope.store.redis.connection import await_redis, connect_patiently, connect_promptly
from convscope.store.redis.layout import check_layout
from convscope.store.redis.policy import PolicyError, check_policy
from convscope.store.redis.refusals import WritesRefusedError, check_writes
from convscope.store.redis.scripts import Claimant, Image, ResultWanted, Scripts
from convscope.store.settings import StoreSettings
from convscope.store.timeouts import BlobTimeouts
from convscope.store.upkeep.collector import Collector
from convscope.store.upkeep.reconciler import Reconciler
from convscope.store.upkeep.sweeping import Sweeper
from convscope.store.visualization_requests import cached_interpretation, layer_shapes, visualization_request
from convscope.store.workers import WorkerRecord, WorkerReport, WorkerStore

__all__ = [
    "Attempt",
    "BlobStore",
    "BlobTimeouts",
    "Candidate",
    "Checkpoint",
    "Claimant",
    "Collector",
    "Deployment",
    "Image",
    "JobStore",
    "LatePlans",
    "LogEntry",
    "LogPage",
    "ModelManifests",
    "ModelStore",
    "PolicyError",
    "Reconciler",
    "ResultWanted",
    "Scripts",
    "Standing",
    "StoreSettings",
    "Sweeper",
    "UnplannedJob",
    "WorkerRecord",
    "WorkerReport",
    "WorkerStore",
    "WritesRefusedError",
    "await_redis",
    "cached_interpretation",
    "check_layout",
    "check_policy",
    "check_writes",
    "connect_patiently",
    "connect_promptly",
    "hydrate",
    "layer_shapes",
    "make_ticket",
    "mark_holder_lost",
    "queue_name",
    "read_candidates",
    "read_log",
    "settle_waiters",
    "top_up_tickets",
    "visualization_request",
]
