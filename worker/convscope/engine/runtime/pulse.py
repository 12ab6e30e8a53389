"""How a long computation lets its caller in.

A computation calls its pulse a few times per second, always at a moment when nothing is half-written. The pulse may
raise: the exception then ends the computation and reaches the caller unchanged. If it is an Interruption, a computation
that can go on later saves first what it has done.
"""

from collections.abc import Callable

__all__ = ["PULSE_SECONDS", "Interruption", "Pulse", "no_pulse"]

Pulse = Callable[[], None]

# Bounds how long a computation goes on without calling its pulse, in seconds: half of the second within which a
# request to stop should be seen.
PULSE_SECONDS = 0.4


class Interruption(Exception):  # noqa: N818 - no error: somebody's wish
    """Base of what a pulse raises to say: stop, but keep what was done."""


def no_pulse() -> None:
    """Do nothing: the pulse of a computation that nobody will stop."""
