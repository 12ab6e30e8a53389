"""How far an image can be trusted, and how its feature's other restarts ended."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.client import tensors
from convscope.client.enums import Outcome, from_wire
from convscope.v1 import visualize_pb2

__all__ = ["Spread", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an image can be trusted to show what maximizes its feature.

    Attributes:
        outcome: What came out; all but ``normal`` is a warning.
        iteration: Where the ascent broke off; only with ``not_a_number``.
        upper_bound: No image with pixels from 0 to 1 can reach more; None where no bound is cheap.
        reached: How much of the way from the start to the bound the best image went, up to 1; only with a bound.
        rescued: Whether gradients were sent through inactive ReLUs to get the ascent going.
        without_gradient: Whether there was no gradient at any image of the ascent, also after a rescue. Where an
            ``unreachable`` feature had one, no step along it helped.
    """

    outcome: Outcome
    iteration: int | None = None
    upper_bound: float | None = None
    reached: float | None = None
    rescued: bool = False
    without_gradient: bool = False

    def __str__(self) -> str:
        """Return what came out, in a few words."""
        outcome = str(self.outcome).replace("_", " ")
        return f"{outcome}, without a gradient" if self.without_gradient else outcome

    @classmethod
    def from_wire(cls, message: visualize_pb2.Verdict) -> "Verdict":
        """Return the verdict of a message."""
        return cls(
            outcome=from_wire(Outcome, visualize_pb2.Verdict.Outcome.Name, message.outcome),
            iteration=message.iteration if message.HasField("iteration") else None,
            upper_bound=message.upper_bound if message.HasField("upper_bound") else None,
            reached=message.reached if message.HasField("reached") else None,
            rescued=message.rescued,
            without_gradient=message.without_gradient,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """How the restarts of a feature ended.

    Attributes:
        objectives: float32 [restarts], the highest objective of each restart.
        mean: Their mean.
        deviation: Their population standard deviation.
    """

    objectives: NDArray[np.float32]
    mean: float
    deviation: float

    @classmethod
    def from_wire(cls, message: visualize_pb2.Spread) -> "Spread":
        """Return the spread of a message."""
        return cls(objectives=tensors.decode(message.objectives), mean=message.mean, deviation=message.deviation)
