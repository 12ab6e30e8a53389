"""What a horse does: claims a part, computes it, and ends the job with a result or a reason."""

import logging
import os
import signal

import redis

from convscope.store import Attempt, BlobStore, StoreSettings, connect_patiently, dispatch, settle_waiters
from convscope.store.errors import BlobDamagedError, BlobError, NotFoundError, StaleAttemptError, StateError
from convscope.v1.jobs_pb2 import Failure
from convscope.worker.environment import environment
from convscope.worker.errors import ComputationError, DatasetError, ModelFileError
from convscope.worker.horse_jobs import RUNNERS
from convscope.worker.horse_lease import LeaseKeeper
from convscope.worker.horse_report import CancelledError, DrainedError, Reporter
from convscope.worker.threads import configure_threads
from convscope.worker.variables import THREADS_VARIABLE, WORKER_VARIABLE, number_in

__all__ = ["run_part"]

log = logging.getLogger(__name__)


def run_part(job_id: str, part: int) -> None:
    """Compute a part of a job; the only function that the queue may name."""
    settings = StoreSettings.from_environment()
    connection = connect_patiently(settings.redis_url)
    # Here, not in the parent: asking for the number of threads initializes TensorFlow's devices.
    configure_threads(number_in(THREADS_VARIABLE))
    worker = os.environ.get(WORKER_VARIABLE, "")
    attempt = Attempt.claim(connection, job_id, part, worker=worker, environment=environment())
    if attempt is None:
        log.info("jobs/%s: nothing to do", job_id)
        return
    log.info("jobs/%s: %s, attempt %d", job_id, attempt.kind, attempt.number)
    lease = LeaseKeeper(attempt, settings.redis_url)
    lease.start()
    try:
        _run(connection, attempt, settings, lease)
    except StaleAttemptError as error:
        log.warning("jobs/%s: %s", job_id, error)
    finally:
        lease.end()


def _run(connection: redis.Redis, attempt: Attempt, settings: StoreSettings, lease: LeaseKeeper) -> None:
    try:
        reporter = Reporter(connection, attempt, BlobStore(settings.artifacts_url), lease)
        signal.signal(signal.SIGTERM, lambda *_: reporter.drain())
        RUNNERS[attempt.kind](reporter)
        log.info("jobs/%s: succeeded", attempt.job_id)
    except DrainedError:
        log.info("jobs/%s: given back, because its worker stops", attempt.job_id)
        if attempt.hand_back():
            dispatch(connection, attempt.job_id, attempt.part)
            return
    except CancelledError:
        attempt.cancelled()
        log.info("jobs/%s: cancelled", attempt.job_id)
    except StaleAttemptError:
        raise
    except Exception as error:
        log.exception("jobs/%s failed", attempt.job_id)
        attempt.fail(_failure(error))
    settle_waiters(connection, attempt.makes)


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
    # TensorFlow's messages go on for pages; the first line says what happened.
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}; the worker's log has the details"
