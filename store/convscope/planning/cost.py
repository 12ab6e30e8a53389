"""What a visualization will cost, in seconds of one worker, from the shapes of the layers alone.

No more than an estimate: it decides how a job is cut into parts and what is refused as too much, never what comes out.
"""

from collections.abc import Sequence
from typing import Final

from convscope.planning.requests import LayerShape, VisualizationRequest
from convscope.planning.targets import Target, targets

__all__ = ["Costs", "estimate_seconds"]

# Floating-point operations a second of a worker with two cores, by the count below.
RATE: Final = 1e11
# What an iteration of a chunk costs besides, in seconds: starting some dozens of operations.
ITERATION_S: Final = 0.0004
# Making a target's compiled function, in seconds: for each, and for each layer that it goes through.
COMPILE_S: Final = 0.3
COMPILE_LAYER_S: Final = 0.03


class Costs:
    """Seconds of one worker for pieces of a visualization of so many iterations."""

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations + 1  # the last image is looked at as well

    def chunk(self, target: Target) -> float:
        """Return what a chunk costs."""
        return target.flops * target.rows / RATE + self._iterations * ITERATION_S

    def compiling(self, target: Target) -> float:
        """Return what a target costs once in each process that has anything of it."""
        return COMPILE_S + COMPILE_LAYER_S * target.depth

    def features(self, target: Target, features: Sequence[int]) -> float:
        """Return what features of a target, which rise, cost in one process."""
        return target.chunks_of(features) * self.chunk(target)


def estimate_seconds(request: VisualizationRequest, layers: Sequence[LayerShape]) -> float:
    """Return about how long one worker would take for everything, in seconds.

    Args:
        request: what is asked for.
        layers: those of the model, from input to logits.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    costs = Costs(request.iterations)
    return sum(costs.compiling(target) + costs.features(target, target.features) for target in targets(request, layers))
