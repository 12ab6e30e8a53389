"""How a visualization is cut up: chunks, parts, image numbers and names, and what it will cost.

All of it is a pure function of the spec and the model's layers, so that service and workers agree without TensorFlow.
"""

from convscope.planning.cost import estimate_seconds
from convscope.planning.digests import ENGINE_VERSION, ImageNames
from convscope.planning.parts import PART_S
from convscope.planning.plan import PLANNING_VERSION, VisualizationPlan, check_planning, plan_visualization
from convscope.planning.rows import chunk_rows
from convscope.planning.segments import Segment
from convscope.planning.targets import Target, targets

__all__ = [
    "ENGINE_VERSION",
    "PART_S",
    "PLANNING_VERSION",
    "ImageNames",
    "Segment",
    "Target",
    "VisualizationPlan",
    "check_planning",
    "chunk_rows",
    "estimate_seconds",
    "plan_visualization",
    "targets",
]
