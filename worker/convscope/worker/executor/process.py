"""The executor: it claims a part, computes it, and claims again, whatever job the next part belongs to."""

import logging
import os
import signal
from collections.abc import Callable  # noqa: TC003 - named in an alias
from time import monotonic
from types import FrameType
from typing import TypeAlias

import redis

from convscope.engine import ComputationError, DatasetError, ModelFileError, configure_threads, environment
from convscope.engine.models.model_file import loaded_models
from convscope.engine.runtime.caches import Caches
from convscope.engine.runtime.memory import bound_tensorflow, default_memory, resident_memory
from convscope.planning import OtherPlanningError
from convscope.store import (
    Attempt,
    BlobDamagedError,
    BlobError,
    BlobStore,
    Claimant,
    Deployment,
    ModelManifests,
    NotFoundError,
    Scripts,
    StaleAttemptError,
    StateError,
    StoreSettings,
    TooNewError,
    check_understood,
    connect_patiently,
    connect_promptly,
    describe_ticket,
    die_with_parent,
    failpoint,
    key,
    settle_waiters,
    top_up_tickets,
)
from convscope.v1.jobs_pb2 import Failure
from convscope.worker.executor.context import AttemptContext, CancelledError, DrainedError, StopRequest
from convscope.worker.executor.evaluate import run_evaluation
from convscope.worker.executor.lease import LeaseKeeper
from convscope.worker.executor.train import run_training
from convscope.worker.executor.visualize import VisualizeRunner
from convscope.worker.settings import WorkerSettings

__all__ = ["Executor", "run_executor"]

log = logging.getLogger(__name__)

# What computes a part of a kind of job.
Runner: TypeAlias = "Callable[[AttemptContext], None]"

# How long an executor waits to be woken before it claims by itself, in seconds: the cost of a lost wake-up.
LOOK_S = 5

# Shortest wait, in seconds: Redis takes a timeout near 0 as none at all.
SHORTEST_S = 0.1

# How much longer Redis lists it as waiting, in milliseconds: until its next claim arrives.
MARGIN_MS = 2_000


# What a Redis raises that was away for longer than its connection is patient; no fault of the job.
AWAY = (redis.ConnectionError, redis.TimeoutError)

# Parts after which an executor ends, in case it leaks memory: hours of computed parts, or some minutes of cached ones.
MOST_PARTS = 20_000


class _Woken(BaseException):
    """A signal arrived while the executor waited."""


def run_executor() -> None:
    """Compute parts of jobs until there are none; the only function that a ticket may name."""
    die_with_parent()
    store, settings = StoreSettings.from_environment(), WorkerSettings.from_environment()
    bound_tensorflow(settings.memory or default_memory())
    # Here, not in the supervisor: asking for the number of threads initializes TensorFlow's devices.
    configure_threads(settings.threads)
    Executor(store, settings, connect_patiently(store.redis_url, single=True)).run()


class Executor:
    """A process that computes, with the caches that it keeps from part to part.

    Args:
        store: addresses of Redis and the artifact store.
        settings: of the worker.
        connection: a patient connection to Redis.
        most_parts: number of parts after which it ends.
    """

    def __init__(
        self, store: StoreSettings, settings: WorkerSettings, connection: redis.Redis, *, most_parts: int = MOST_PARTS
    ) -> None:
        self._redis = connection
        self._settings = settings
        self._worker = os.environ.get("RQ_WORKER_ID", "")  # set by RQ
        self._environment = environment()
        self._blobs = BlobStore(store.artifacts_url)
        self._deployment = Deployment(connection, self._blobs.objects)
        self._manifests = ModelManifests(connection, self._blobs)
        # A separate connection: a signal that arrives while it waits may leave a reply unread.
        self._wakes = connect_patiently(store.redis_url)
        # Another one: while Redis is away the computation may wait for it, and the lease's thread retries.
        self._lease_scripts = Scripts(connect_promptly(store.redis_url))
        self._caches = Caches()
        self._memory = settings.memory or default_memory()
        self._parts, self._most_parts = 0, most_parts
        self._runners: dict[str, Runner] = {
            "train": run_training,
            "evaluate": run_evaluation,
            "visualize": VisualizeRunner(),
        }
        self._last_job = ""
        self._described = ""
        self._stop = StopRequest()
        self._waiting = False
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGUSR1, self._on_signal)

    def run(self) -> None:
        """Claim and compute until told to stop, worn out, or idle for longer than it is to keep warm."""
        idle_since = monotonic()
        while not self._stop.any and not self._is_worn_out():
            attempt = self._claim()
            if attempt is not None:
                self._compute(attempt)
                idle_since = monotonic()
            elif (left_s := idle_since + self._settings.keep_warm_s - monotonic()) > 0:
                self._wait(min(LOOK_S, max(SHORTEST_S, left_s)))
            elif not self._leave():
                return
        self._leave()

    def _is_worn_out(self) -> bool:
        """Return whether another process should take over: after many parts, or where memory is not released."""
        if self._parts >= self._most_parts:
            return True
        excess = resident_memory() - self._memory
        if excess <= 0:
            return False
        self._caches.trim(self._caches.size_bytes - excess)
        if resident_memory() > self._memory:  # sizes are estimates
            self._caches.clear()
        return self._parts > 0 and resident_memory() > self._memory

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self._stop.drain = True
        else:
            self._stop.last = True
        if self._waiting:
            raise _Woken

    def _claim(self) -> Attempt | None:
        claimant = Claimant(
            worker=self._worker,
            device=self._settings.device,
            wait_ms=LOOK_S * 1000 + MARGIN_MS if self._settings.keep_warm_s else 0,
            last_job=self._last_job,
            loaded=loaded_models(self._caches),
            environment=self._environment,
        )
        return Attempt.claim(self._redis, claimant, self._blobs)

    def _wait(self, seconds: float) -> None:
        """Wait to be woken for a part, for ``seconds`` at most."""
        self._describe("waits for parts")
        try:
            self._waiting = True
            if not self._stop.any:
                self._wakes.blpop([key("wake", self._worker)], timeout=seconds)
        except _Woken:
            pass
        finally:
            self._waiting = False

    def _describe(self, doing: str) -> None:
        """Have RQ's own tools show what this executor does."""
        if doing != self._described:
            self._described = doing
            describe_ticket(self._redis, doing)

    def _leave(self) -> bool:
        """Report that this executor takes no more parts, and return whether it was woken for one meanwhile."""
        woken = bool(self._lease_scripts.run("leave", self._worker, self._settings.device))
        if woken:
            top_up_tickets(self._redis)
        return woken

    def _compute(self, attempt: Attempt) -> None:
        log.info("jobs/%s: %s, part %d, attempt %d", attempt.job_id, attempt.kind, attempt.part, attempt.number)
        self._last_job = attempt.job_id
        self._parts += 1
        lease = LeaseKeeper(attempt, self._lease_scripts)
        lease.start()
        try:
            self._describe(f"computes jobs/{attempt.job_id} ({attempt.kind})")
            self._run(attempt, lease)
        except (StaleAttemptError, *AWAY) as error:
            log.warning("jobs/%s: %s", attempt.job_id, error)
            if attempt.abandon():
                top_up_tickets(self._redis)
        finally:
            lease.end()

    def _run(self, attempt: Attempt, lease: LeaseKeeper) -> None:
        try:
            check_understood(attempt.spec)
            self._deployment.ensure_joined()
            context = AttemptContext(
                self._redis, attempt, self._blobs, lease, self._stop, caches=self._caches, settings=self._settings
            )
            self._runners[attempt.kind](context)
            log.info("jobs/%s: part %d is done", attempt.job_id, attempt.part)
        except DrainedError:
            failpoint("executor.before_release")
            attempt.release()
            top_up_tickets(self._redis)
            log.info("jobs/%s: part %d is given back, since its worker stops", attempt.job_id, attempt.part)
        except CancelledError:
            attempt.cancelled()
            log.info("jobs/%s: cancelled", attempt.job_id)
        except (StaleAttemptError, *AWAY):
            raise
        except Exception as error:
            log.exception("jobs/%s failed", attempt.job_id)
            attempt.fail(_failure(error))
        if attempt.makes:
            settle_waiters(self._redis, attempt.makes)
            self._keep_manifest(attempt)

    def _keep_manifest(self, attempt: Attempt) -> None:
        try:
            self._manifests.keep(f"models/{attempt.makes}")
        except BlobError as error:  # a service writes it within minutes
            log.warning("models/%s has no manifest yet: %s", attempt.makes, error)


# The first class that matches an error decides; any other error is a fault of the computation.
REASONS = (
    (DatasetError, Failure.REASON_DATASET),
    ((ModelFileError, NotFoundError, StateError, BlobDamagedError), Failure.REASON_MODEL),
    (BlobError, Failure.REASON_STORAGE),
)


def _failure(error: Exception) -> Failure:
    for kinds, reason in REASONS:
        if isinstance(error, kinds):
            return Failure(reason=reason, message=str(error))
    return Failure(reason=Failure.REASON_COMPUTATION, message=_explain(error))


def _explain(error: Exception) -> str:
    if isinstance(error, ComputationError):
        return str(error)
    if isinstance(error, (TooNewError, OtherPlanningError)):
        return (
            f"the worker is older than the service that made the job, and does not know {error}: update the worker, "
            "then submit the job again"
        )
    # TensorFlow's messages fill pages; the first line says what happened, except that of Keras, which says where.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first_line = next(
        (line for line in lines if not line.startswith("Exception encountered when calling")), "no reason"
    )
    return f"{type(error).__name__}: {first_line}; the worker's log has the details"
