"""Calls that are repeated, at one service and then at another, until they are answered."""

import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TypeVar

from convscope.client import DeadlineExceeded, Unavailable
from convscope.client.config import Config
from convscope.client.connection import Connection

__all__ = ["Calls", "open_connections"]

T = TypeVar("T")

# How long one call may take, and how long a watch sticks to a service that went away, in seconds.
CALL_TIMEOUT_S = 4.0
STICK_S = 1.0

# How long a call is repeated: longer than any fault lasts.
GIVE_UP_S = 120.0


def open_connections(addresses: Sequence[str]) -> list[Connection]:
    """Connect to each service."""
    return [Connection(Config(address=address, timeout=CALL_TIMEOUT_S, patience=STICK_S)) for address in addresses]


class Calls:
    """Repeats calls until they are answered.

    Args:
        connections: one for each service.
    """

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._turns = cycle(connections)

    def until_answered(self, call: Callable[[Connection], T]) -> T:
        """Return the first answer."""
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return call(next(self._turns))
            except (Unavailable, DeadlineExceeded):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
