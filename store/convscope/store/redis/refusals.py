"""A Redis that answers but takes no writes is treated as one that is away: who waits for one waits for the other."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis import exceptions
from redis.retry import Retry

from convscope.store.redis.keys import KEYS

__all__ = ["PatientRetry", "WritesRefusedError", "check_writes"]

T = TypeVar("T")

# Of errors that say so by their class, Redis' own word for them is not in the text.
CLASSES = {
    exceptions.ReadOnlyError: "READONLY",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.MasterDownError: "MASTERDOWN",
}

# How the others begin, and what a script reports that was refused: "Error running script ...: -READONLY You can't ..."
WORDED = re.compile(r"(?:^|[ :]-?)((?:READONLY|OOM|MASTERDOWN|MISCONF|NOREPLICAS) .*)", re.DOTALL)


class WritesRefusedError(redis.ConnectionError):
    """Redis is a replica, out of memory, cannot save to its disk, or has too few replicas: it takes no writes."""


class PatientRetry(Retry):
    """Tries again as well while Redis takes no writes."""

    def call_with_retry(self, do: Callable[[], T], *args: Any, **settings: Any) -> T:
        """Call until it succeeds, fails otherwise, or there are no tries left.

        Raises:
            WritesRefusedError: if Redis takes no writes.
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
    """Find out whether Redis takes writes, but for those that need more memory.

    Raises:
        WritesRefusedError: if it does not.
        redis.RedisError: if it does not answer.
    """
    connection.delete(KEYS["nothing"])


def _refusal(error: redis.ResponseError) -> str:
    """Return what Redis says of why it takes no writes, "" if that is not what the error is about."""
    for kind, word in CLASSES.items():
        if isinstance(error, kind):
            return f"{word} {error}"
    found = WORDED.search(str(error))
    return found[1] if found else ""
