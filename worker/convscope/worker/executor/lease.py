"""Renewal of an attempt's lease, which also returns requests to cancel."""

import logging
import threading

import redis

from convscope.store import Attempt, Scripts, StaleAttemptError

__all__ = ["LeaseKeeper"]

log = logging.getLogger(__name__)

# Period of renewals, in seconds: a tenth of the lease. A request to stop is heard within it.
PERIOD_S = 0.5


class LeaseKeeper(threading.Thread):
    """A thread that renews a lease; TensorFlow does not block other threads while it computes.

    It lives in the executor, not in its supervisor: an executor that hangs or is stopped must lose its lease.

    Args:
        attempt: the holder of the lease.
        scripts: on a connection that the computation does not use, and that does not wait for an absent Redis.

    Attributes:
        cancelled: the job was asked to stop.
        over: another attempt has the part, or the job has ended.
    """

    def __init__(self, attempt: Attempt, scripts: Scripts) -> None:
        super().__init__(name="lease", daemon=True)
        self.cancelled = False
        self.over = False
        self._attempt = attempt
        self._scripts = scripts
        self._ended = threading.Event()

    def run(self) -> None:
        """Renew until ``end`` is called or the attempt is over."""
        while not self.over and not self._ended.wait(PERIOD_S):
            try:
                self.cancelled = self._attempt.renew(self._scripts)
            except StaleAttemptError:
                self.over = True
            except redis.RedisError as error:
                log.warning("jobs/%s: its lease cannot be renewed: %s", self._attempt.job_id, error)

    def end(self) -> None:
        """Stop renewing."""
        self._ended.set()
