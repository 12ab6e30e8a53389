"""Treats a Redis that answers but refuses writes as one that is away: the same callers wait for both."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis import exceptions
from redis.retry import Retry

from convscope.store.redis.keys import KEYS

__all__ = ["PatientRetry", "WritesRefusedError", "check_writes"]

T = TypeVar("T")

# Redis' code for errors whose class replaces the code in their text.
CLASSES = {
    exceptions.ReadOnlyError: "READONLY",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.MasterDownError: "MASTERDOWN",
}

# The code of other errors, also within the error of a script: "Error running script ...: -READONLY You can't ..."
CODED = re.compile(r"(?:^|[ :]-?)((?:READONLY|OOM|MASTERDOWN|MISCONF|NOREPLICAS) .*)", re.DOTALL)


class WritesRefusedError(redis.ConnectionError):
    """Redis refuses writes: it is a replica, out of memory, cannot save to its disk, or has too few replicas."""


class PatientRetry(Retry):
    """Retries while Redis refuses writes, too."""

    def call_with_retry(self, do: Callable[[], T], *args: Any, **settings: Any) -> T:
        """Call until it succeeds, fails for another reason, or has no retries left.

        Raises:
            WritesRefusedError: if Redis refuses writes.
        """

        def translated() -> T:
            try:
                return do()
            except redis.ResponseError as error:
                if refusal := _refusal(error):
                    raise WritesRefusedError(f"it takes no writes: {refusal}") from error
                raise

        return super().call_with_retry(translated, *args, **settings)


def check_writes(connection: redis.Redis) -> None:
    """Check that Redis accepts writes, except those that need more memory.

    Raises:
        WritesRefusedError: if it does not.
        redis.RedisError: if it does not answer.
    """
    connection.delete(KEYS["nothing"])


def _refusal(error: redis.ResponseError) -> str:
    """Return Redis' reason for refusing writes, ``""`` if the error is about something else."""
    for kind, word in CLASSES.items():
        if isinstance(error, kind):
            return f"{word} {error}"
    match = CODED.search(str(error))
    return match[1] if match else ""
