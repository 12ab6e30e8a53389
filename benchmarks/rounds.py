"""Rounds: each measures everything once. Figures are medians over rounds, so yardstick and project alternate."""

from contextlib import ExitStack
from functools import cached_property
from typing import Self

from benchmarks.stack import run_stack
from benchmarks.yardstick import YardstickTimes, run_yardstick
from convscope.client import Client

__all__ = ["TRAIN_STEPS", "Round", "Session"]


# Steps of a training run, the same for the yardstick and the project: shorter ones measure compilation, not steps.
TRAIN_STEPS = 1500

# The share of a full run's repetitions that --quick makes, and the fewest of which a median is meaningful.
QUICK_SHARE, QUICK_LEAST = 0.5, 3


class Session:
    """What all rounds share, made on first use: the running system, a client, a small model.

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
        """Return how often to repeat what a full run repeats ``full`` times."""
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
        """A model with the tutorial's network, trained for 100 steps."""
        return self.client.train(iterations=100).result().model


class Round:
    """One round, in which the yardstick runs once at most."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @cached_property
    def yardstick(self) -> YardstickTimes:
        """Times of the yardstick."""
        return run_yardstick(TRAIN_STEPS)
