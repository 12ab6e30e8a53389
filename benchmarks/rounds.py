"""A round measures everything once; figures are medians over rounds, so yardstick and project alternate in one run."""

from contextlib import ExitStack
from functools import cached_property
from typing import Self

from benchmarks.stack import run_stack
from benchmarks.yardstick import YardstickTimes, run_yardstick
from convscope.client import Client

__all__ = ["TRAIN_STEPS", "Round", "Session"]


# Length of a training run, for all who train alike: shorter ones show what compiling takes, not how fast steps are.
TRAIN_STEPS = 1500

# What --quick does of the repetitions of a full run, and the fewest that have a median worth its name.
QUICK_SHARE, QUICK_LEAST = 0.25, 3


class Session:
    """What all rounds share and nobody pays for who does not use it: the running system, a client, a small model.

    Args:
        quick: whether to repeat less often.
    """

    def __init__(self, *, quick: bool = False) -> None:
        self._quick = quick
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def times(self, full: int) -> int:
        """Return how often to repeat what a full run repeats so often."""
        return max(QUICK_LEAST, round(QUICK_SHARE * full)) if self._quick else full

    @cached_property
    def address(self) -> str:
        """Address of the service, with one warm worker."""
        return self._closing.enter_context(run_stack())

    @cached_property
    def client(self) -> Client:
        """A client of it."""
        return self._closing.enter_context(Client(self.address))

    @cached_property
    def model(self) -> str:
        """A model with the tutorial's network, trained for a moment."""
        return self.client.train(iterations=100).result().model


class Round:
    """One round. The yardstick runs once, whoever asks for it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @cached_property
    def yardstick(self) -> YardstickTimes:
        """What the tutorial's way of working takes."""
        return run_yardstick(TRAIN_STEPS)
