"""How long to wait for a server that went away."""

import math
import random
import time

from convscope.client.errors import DeadlineExceeded, ServiceError

__all__ = ["Outage"]

# Seconds before the second attempt, and at most between attempts; each is shortened at random by up to a half.
_FIRST_DELAY, _MAX_DELAY = 0.1, 2.0

_jitter = random.SystemRandom()


class Outage:
    """How long the server has been away, and how long to wait before the next attempt.

    Args:
        patience: Seconds that it may be away.
        deadline: Reading of the monotonic clock, in seconds, at which waiting ends.
    """

    def __init__(self, patience: float, deadline: float | None = None) -> None:
        self._patience = patience
        self._deadline = math.inf if deadline is None else deadline
        self._since: float | None = None
        self._attempts = 0

    def over(self) -> None:
        """Note that the server is there."""
        self._since, self._attempts = None, 0

    def pause(self, fault: ServiceError) -> float:
        """Return the seconds to wait until the next attempt is due, or until the deadline.

        Raises:
            ServiceError: ``fault``, if that would be beyond the patience.
        """
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        delay: float = min(_MAX_DELAY, _FIRST_DELAY * 2**self._attempts) * _jitter.uniform(0.5, 1.0)
        if now + delay - self._since > self._patience:
            raise fault
        self._attempts = min(self._attempts + 1, 16)
        return max(min(delay, self._deadline - now), 0)

    def check_deadline(self, fault: ServiceError) -> None:
        """Raise DeadlineExceeded at the deadline."""
        if time.monotonic() >= self._deadline:
            raise DeadlineExceeded(f"no answer in time: {fault}") from fault
