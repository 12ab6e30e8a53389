"""The plan of a visualization: what each part computes, and the size of chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from convscope.planning.cost import Costs
from convscope.planning.errors import OtherPlanningError
from convscope.planning.parts import PART_S, cut
from convscope.planning.requests import LayerShape, VisualizationRequest
from convscope.planning.segments import Segment
from convscope.planning.targets import targets

__all__ = ["PLANNING_VERSION", "VisualizationPlan", "check_planning", "plan_visualization"]

# Raise it whenever the same request is cut into other parts: a job's record refers to parts by number, and services
# and executors must agree on them.
PLANNING_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizationPlan:
    """A pure function of the request, the layers' shapes and the length of parts; computed wherever it is needed.

    Attributes:
        rows: ascents in one chunk, by target.
        parts: the segments of each part.
    """

    rows: tuple[int, ...]
    parts: tuple[tuple[Segment, ...], ...]


def check_planning(version: int) -> None:
    """Refuse a job that another version of planning cut into parts.

    Raises:
        OtherPlanningError: if its parts are not those of this version.
    """
    if version != PLANNING_VERSION:
        raise OtherPlanningError(f"parts of planning version {version}; this one has {PLANNING_VERSION}")


def plan_visualization(
    request: VisualizationRequest, layers: Sequence[LayerShape], part_seconds: float = PART_S
) -> VisualizationPlan:
    """Cut a visualization into parts, at least one.

    Args:
        request: the visualization.
        layers: the model's layers, from input to logits.
        part_seconds: how long one worker should take for a part, by estimate.

    Raises:
        ValueError: if the model lacks a layer that is named.
    """
    planned = targets(request, layers)
    parts = cut(planned, Costs(request.iterations), part_seconds)
    return VisualizationPlan(
        rows=tuple(target.rows for target in planned), parts=tuple(tuple(part) for part in parts) or ((),)
    )
