"""A round measures everything once; figures are medians over rounds, so yardstick and project alternate in one run."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from benchmarks.stack import run_stack
from benchmarks.yardstick import YardstickTimes, run_yardstick
from convscope.client import Client

__all__ = ["FULL", "QUICK", "Round", "Session", "Size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much to measure.

    Attributes:
        rounds: how often everything is measured.
        train_steps: length of a training run, for all who train alike.
        turns: how often a round trains for the overhead of the service, with and without it.
        submissions: short jobs sent to an idle worker, per round.
    """

    rounds: int
    train_steps: int
    turns: int
    submissions: int


FULL = Size(rounds=5, train_steps=1500, turns=4, submissions=5)
QUICK = Size(rounds=1, train_steps=250, turns=2, submissions=3)


class Session:
    """What all rounds share and nobody pays for who does not use it: the running system, a client, a small model."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

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
        return run_yardstick(self.session.size.train_steps)
