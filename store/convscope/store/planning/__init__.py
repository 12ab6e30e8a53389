"""How a visualization is cut up: chunks, parts, image numbers and names, and what it will cost.

All of it is a pure function of the spec and the model's layers, so that service and workers agree without TensorFlow.
"""

from convscope.store.planning.cost import estimate_seconds
from convscope.store.planning.digests import ENGINE_VERSION, ImageNames
from convscope.store.planning.plan import VisualizationPlan, plan_visualization
from convscope.store.planning.rows import chunk_rows
from convscope.store.planning.segments import Segment
from convscope.store.planning.targets import Target, targets

__all__ = [
    "ENGINE_VERSION",
    "ImageNames",
    "Segment",
    "Target",
    "VisualizationPlan",
    "chunk_rows",
    "estimate_seconds",
    "plan_visualization",
    "targets",
]
