"""Job records, event logs, artifacts and queues: everything that outlives a process.

State is in Redis and changes only by scripts that run inside it; artifacts are in an object store.
"""

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Deployment, Standing
from convscope.store.embedded import EmbeddedRedis, EmbeddedRedisError
from convscope.store.environment import Variables, argument, positive
from convscope.store.errors import (
    AdoptionError,
    BlobDamagedError,
    BlobError,
    DeletionOffError,
    LayoutError,
    LogLostError,
    ManifestError,
    ModelExistsError,
    ModelFailedError,
    NotFoundError,
    OffsetError,
    PolicyError,
    RequestConflictError,
    StaleAttemptError,
    StateError,
    StoreError,
    SweepStoppedError,
    TooNewError,
)
from convscope.store.failpoints import failpoint
from convscope.store.interrupts import end_on_interrupt
from convscope.store.jobs.attachments import EXAMPLES_BYTES, Attachments, ExamplesBlob, StoredFile
from convscope.store.jobs.attempts import Attempt, Checkpoint
from convscope.store.jobs.candidates import Candidate, read_candidates
from convscope.store.jobs.compatibility import check_understood
from convscope.store.jobs.dependents import settle_waiters
from convscope.store.jobs.events import LogEntry, LogPage, hydrate, read_log
from convscope.store.jobs.images import addressed, ready_images
from convscope.store.jobs.jobs import LOCAL_OWNER, JobStore
from convscope.store.jobs.late_plans import LatePlans, UnplannedJob
from convscope.store.jobs.lost_attempts import mark_holder_lost
from convscope.store.jobs.records import spec_kind
from convscope.store.jobs.tickets import EXECUTOR_FUNCTION, describe_ticket, make_ticket, queue_name, top_up_tickets
from convscope.store.jobs.waiting import waiting_reason
from convscope.store.model_manifests import ModelManifests
from convscope.store.models import ModelStore
from convscope.store.names import file_name, new_id, parse_file_name, parse_image_name, parse_name
from convscope.store.processes import Child, die_with_parent
from convscope.store.redis.connection import await_redis, connect_patiently, connect_promptly
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.layout import check_layout
from convscope.store.redis.policy import check_policy
from convscope.store.redis.scripts import Claimant, Image, ResultWanted, Scripts, load_scripts
from convscope.store.redis.writability import WritesRefusedError, check_writes
from convscope.store.settings import StoreSettings
from convscope.store.timeouts import BlobTimeouts
from convscope.store.upkeep.adopting import Adoption, AdoptionPlan
from convscope.store.upkeep.collector import Collector
from convscope.store.upkeep.overview import Overview, survey_deployment
from convscope.store.upkeep.reconciler import Reconciler
from convscope.store.upkeep.sweeping import Sweeper
from convscope.store.visualization_requests import cached_interpretation, layer_shapes, visualization_request
from convscope.store.workers import ExecutorState, WorkerRecord, WorkerReport, WorkerStore

__all__ = [
    "EXAMPLES_BYTES",
    "EXECUTOR_FUNCTION",
    "KEYS",
    "LOCAL_OWNER",
    "Adoption",
    "AdoptionError",
    "AdoptionPlan",
    "Attachments",
    "Attempt",
    "BlobDamagedError",
    "BlobError",
    "BlobStore",
    "BlobTimeouts",
    "Candidate",
    "Checkpoint",
    "Child",
    "Claimant",
    "Collector",
    "DeletionOffError",
    "Deployment",
    "EmbeddedRedis",
    "EmbeddedRedisError",
    "ExamplesBlob",
    "ExecutorState",
    "Image",
    "JobStore",
    "LatePlans",
    "LayoutError",
    "LogEntry",
    "LogLostError",
    "LogPage",
    "ManifestError",
    "ModelExistsError",
    "ModelFailedError",
    "ModelManifests",
    "ModelStore",
    "NotFoundError",
    "OffsetError",
    "Overview",
    "PolicyError",
    "Reconciler",
    "RequestConflictError",
    "ResultWanted",
    "Scripts",
    "StaleAttemptError",
    "Standing",
    "StateError",
    "StoreError",
    "StoreSettings",
    "StoredFile",
    "SweepStoppedError",
    "Sweeper",
    "TooNewError",
    "UnplannedJob",
    "Variables",
    "WorkerRecord",
    "WorkerReport",
    "WorkerStore",
    "WritesRefusedError",
    "addressed",
    "argument",
    "await_redis",
    "cached_interpretation",
    "check_layout",
    "check_policy",
    "check_understood",
    "check_writes",
    "connect_patiently",
    "connect_promptly",
    "describe_ticket",
    "die_with_parent",
    "end_on_interrupt",
    "failpoint",
    "file_name",
    "hydrate",
    "key",
    "layer_shapes",
    "load_scripts",
    "make_ticket",
    "mark_holder_lost",
    "new_id",
    "parse_file_name",
    "parse_image_name",
    "parse_name",
    "positive",
    "queue_name",
    "read_candidates",
    "read_log",
    "ready_images",
    "settle_waiters",
    "spec_kind",
    "survey_deployment",
    "top_up_tickets",
    "visualization_request",
    "waiting_reason",
]
