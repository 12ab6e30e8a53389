"""Pulses, by which the caller of a long computation can stop it.

A computation calls its pulse a few times a second, always when its state is consistent. The pulse may raise: the
exception then ends the computation and reaches the caller unchanged. If it is an ``Interruption``, a computation that
can be resumed saves its state first.
"""

from collections.abc import Callable

__all__ = ["PULSE_S", "Interruption", "Pulse", "no_pulse"]

Pulse = Callable[[], None]

# Bounds the time between two pulses, in seconds: half of the second within which a request to stop should be seen.
PULSE_S = 0.4


class Interruption(Exception):  # noqa: N818 - not an error, but a request
    """Base of the exceptions with which a pulse stops a computation that is to keep its progress."""


def no_pulse() -> None:
    """Do nothing: the pulse of a computation that is never stopped."""
