"""What a horse does: claims a part, computes it, and goes on with the next part of the job as long as it may."""

import logging
import os
import signal

import redis

from convscope.engine.errors import ComputationError, DatasetError, ModelFileError
from convscope.engine.runtime.environment import environment
from convscope.engine.runtime.memory import bound_tensorflow, default_memory
from convscope.engine.runtime.threads import configure_threads
from convscope.planning.errors import NewerPlanError
from convscope.store import (
    Attempt,
    BlobStore,
    StoreSettings,
    connect_patiently,
    connect_promptly,
    dispatch,
    queue_names,
    settle_waiters,
)
from convscope.store.errors import (
    BlobDamagedError,
    BlobError,
    NotFoundError,
    StaleAttemptError,
    StateError,
    TooNewError,
)
from convscope.store.failpoints import failpoint
from convscope.store.jobs.newer import check_understood
from convscope.store.jobs.queue import carrier
from convscope.store.redis.scripted import Scripts
from convscope.v1.jobs_pb2 import Failure
from convscope.worker.executor.horse_jobs import runners
from convscope.worker.executor.horse_lease import LeaseKeeper
from convscope.worker.executor.horse_report import CancelledError, DrainedError, Reporter, Wishes
from convscope.worker.variables import MEMORY_VARIABLE, THREADS_VARIABLE, WORKER_VARIABLE, device, memory_in, number_in

__all__ = ["run_part"]

log = logging.getLogger(__name__)


def run_part(job_id: str, part: int) -> None:
    """Compute a part of a job, and others of it after it; the only function that the queue may name."""
    settings = StoreSettings.from_environment()
    connection = connect_patiently(settings.redis_url)
    bound_tensorflow(memory_in(MEMORY_VARIABLE) or default_memory())
    # Here, not in the parent: asking for the number of threads initializes TensorFlow's devices.
    configure_threads(number_in(THREADS_VARIABLE))
    Horse(settings, connection, carrier(job_id, part)).run(job_id, part)


class Horse:
    """A process that computes, with what it keeps from part to part.

    Args:
        settings: where things are.
        connection: a patient connection to Redis.
        entry: the queue's entry that it was forked for.
    """

    def __init__(self, settings: StoreSettings, connection: redis.Redis, entry: str) -> None:
        self._redis = connection
        self._entry = entry
        self._worker = os.environ.get(WORKER_VARIABLE, "")
        self._environment = environment()
        self._queues = queue_names(device())
        self._blobs = BlobStore(settings.artifacts_url)
        # A connection of its own: while Redis is away the computation may wait for it, the lease's thread tries again.
        self._lease_scripts = Scripts(connect_promptly(settings.redis_url))
        self._runners = runners()
        self._wishes = Wishes()
        signal.signal(signal.SIGTERM, lambda *_: setattr(self._wishes, "drain", True))
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self._wishes, "last", True))

    def run(self, job_id: str, part: int | None) -> None:
        """Compute a part, then others of the same job as long as nobody else is kept waiting by it."""
        while part is not None:
            part = self._compute(job_id, part)

    def _compute(self, job_id: str, part: int) -> int | None:
        """Compute a part; returns the one to go on with, or None."""
        attempt = Attempt.claim(
            self._redis, job_id, part, worker=self._worker, environment=self._environment, entry=self._entry
        )
        if attempt is None:
            log.info("jobs/%s: nothing to do", job_id)
            return None
        log.info("jobs/%s: %s, part %d, attempt %d", job_id, attempt.kind, part, attempt.number)
        lease = LeaseKeeper(attempt, self._lease_scripts)
        lease.start()
        try:
            done = self._run(attempt, lease)
        except StaleAttemptError as error:
            log.warning("jobs/%s: %s", job_id, error)
            return None
        finally:
            lease.end()
        goes_on = done and attempt.parts > 1 and not (self._wishes.drain or self._wishes.last)
        return attempt.next_part(self._queues) if goes_on else None

    def _run(self, attempt: Attempt, lease: LeaseKeeper) -> bool:
        """Compute the part of an attempt; returns whether it is done."""
        done = False
        try:
            check_understood(attempt.spec)
            self._runners[attempt.kind](Reporter(self._redis, attempt, self._blobs, lease, self._wishes))
            log.info("jobs/%s: part %d is done", attempt.job_id, attempt.part)
            done = True
        except DrainedError:
            log.info("jobs/%s: given back, because its worker stops", attempt.job_id)
            failpoint("executor.before_release")
            if attempt.hand_back():
                self._dispatch(attempt)
                return False
        except CancelledError:
            attempt.cancelled()
            log.info("jobs/%s: cancelled", attempt.job_id)
        except StaleAttemptError:
            raise
        except Exception as error:
            log.exception("jobs/%s failed", attempt.job_id)
            attempt.fail(_failure(error))
        settle_waiters(self._redis, attempt.makes)
        return done

    def _dispatch(self, attempt: Attempt) -> None:
        """Put a part on its queue that was given back; that which the horse was forked for is left to its worker.

        RQ has not closed its books about that one yet, and would take the entry's record away with them.
        """
        if carrier(attempt.job_id, attempt.part) != self._entry:
            dispatch(self._redis, attempt.job_id, attempt.part)


# The first class that an error is an instance of decides; anything else is a fault of the computation.
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
    if isinstance(error, (TooNewError, NewerPlanError)):
        return (
            f"the worker is older than the service that made the job, and does not know {error}: update the worker, "
            "then submit the job again"
        )
    # TensorFlow's messages go on for pages; the first line says what happened, but for Keras', which says where.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first_line = next(
        (line for line in lines if not line.startswith("Exception encountered when calling")), "no reason"
    )
    return f"{type(error).__name__}: {first_line}; the worker's log has the details"
