"""Plans a visualization: chunks, parts, image numbers, cache keys, estimated cost, and presets.

All of it is a pure function of the request and the sizes of the model's layers, so that service and workers agree
without TensorFlow, and a notebook gets the same images without either.
"""

from convscope.planning.cache_keys import ENGINE_VERSION, CacheKeys
from convscope.planning.cost import FLOPS_PER_S, estimate_seconds
from convscope.planning.errors import OtherPlanningError
from convscope.planning.flops import layer_flops
from convscope.planning.items import Item
from convscope.planning.order import ImageOrder, ImageTarget
from convscope.planning.parts import PART_S
from convscope.planning.plan import PLANNING_VERSION, VisualizationPlan, check_planning, plan_visualization
from convscope.planning.render_settings import (
    ROBUST,
    ROBUST_ITERATIONS,
    TUTORIAL,
    TUTORIAL_ITERATIONS,
    AdamSettings,
    FourierSettings,
    NormalizedStepSettings,
    OptimizerSettings,
    ParameterizationSettings,
    PixelSettings,
    RegularizerSettings,
    RenderSettings,
    TransformSettings,
)
from convscope.planning.requests import (
    LayerShape,
    LayerTarget,
    ObjectiveTarget,
    TargetRequest,
    VisualizationRequest,
    objective_name,
)
from convscope.planning.rows import chunk_rows
from convscope.planning.segments import Segment
from convscope.planning.targets import Target, plan_target, targets

__all__ = [
    "ENGINE_VERSION",
    "FLOPS_PER_S",
    "PART_S",
    "PLANNING_VERSION",
    "ROBUST",
    "ROBUST_ITERATIONS",
    "TUTORIAL",
    "TUTORIAL_ITERATIONS",
    "AdamSettings",
    "CacheKeys",
    "FourierSettings",
    "ImageOrder",
    "ImageTarget",
    "Item",
    "LayerShape",
    "LayerTarget",
    "NormalizedStepSettings",
    "ObjectiveTarget",
    "OptimizerSettings",
    "OtherPlanningError",
    "ParameterizationSettings",
    "PixelSettings",
    "RegularizerSettings",
    "RenderSettings",
    "Segment",
    "Target",
    "TargetRequest",
    "TransformSettings",
    "VisualizationPlan",
    "VisualizationRequest",
    "check_planning",
    "chunk_rows",
    "estimate_seconds",
    "layer_flops",
    "objective_name",
    "plan_target",
    "plan_visualization",
    "targets",
]
