"""Estimated cost of a visualization, in seconds of one worker, from the shapes of the layers alone.

It decides how a job is cut into parts and which jobs are refused as too expensive; results never depend on it.
"""

from collections.abc import Sequence
from typing import Final

from convscope.planning.requests import LayerShape, VisualizationRequest
from convscope.planning.targets import Target, targets

__all__ = ["FLOPS_PER_S", "Costs", "estimate_seconds"]

# Floating-point operations per second of a worker with two cores, as ``flops.py`` counts them.
FLOPS_PER_S: Final = 1e11
# Overhead of an iteration of a chunk, in seconds: starting some dozens of operations.
ITERATION_S: Final = 0.0004
# Time to compile a target's function, in seconds: a constant, and more for each layer that it goes through.
COMPILE_S: Final = 0.3
COMPILE_LAYER_S: Final = 0.03


class Costs:
    """Seconds of one worker for pieces of a visualization.

    Args:
        iterations: updates of each image.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations + 1  # the final image is evaluated as well

    def chunk(self, target: Target) -> float:
        """Return the cost of a chunk, in seconds."""
        return target.flops * target.rows / FLOPS_PER_S + self._iterations * ITERATION_S

    def compiling(self, target: Target) -> float:
        """Return the cost of compiling a target's function, once per process that computes any of it, in seconds."""
        return COMPILE_S + COMPILE_LAYER_S * target.depth

    def features(self, target: Target, features: Sequence[int]) -> float:
        """Return the cost of a target's features, in ascending order, in one process, in seconds."""
        return target.chunks_of(features) * self.chunk(target)


def estimate_seconds(request: VisualizationRequest, layers: Sequence[LayerShape]) -> float:
    """Estimate the time of one worker for a whole visualization, in seconds.

    Args:
        request: the visualization.
        layers: the model's layers, from input to logits.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    costs = Costs(request.iterations)
    return sum(costs.compiling(target) + costs.features(target, target.features) for target in targets(request, layers))
