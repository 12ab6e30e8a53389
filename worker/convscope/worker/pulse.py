"""How a long computation lets its caller in.

A computation calls its pulse a few times per second, always at a moment when nothing is half-written. The pulse may
raise: the exception then ends the computation and reaches the caller unchanged.
"""

from collections.abc import Callable

__all__ = ["PULSE_SECONDS", "Pulse", "no_pulse"]

Pulse = Callable[[], None]

# Bounds how long a computation goes on without calling its pulse, in seconds: half of the second within which a
# request to stop should be seen.
PULSE_SECONDS = 0.4


def no_pulse() -> None:
    """Do nothing: the pulse of a computation that nobody will stop."""
