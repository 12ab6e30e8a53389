"""Checks of visualization specs: afterwards every setting is there, and every layer and feature is spelled out."""

from convscope.service.validation.checks import Checks
from convscope.service.validation.cost import check_cost
from convscope.service.validation.objectives import check_objectives
from convscope.service.validation.presets import preset_render
from convscope.service.validation.render import check_render
from convscope.service.validation.selections import check_selections
from convscope.v1.models_pb2 import Model
from convscope.v1.render_pb2 import Preset
from convscope.v1.visualize_pb2 import Restarts, VisualizeSpec

__all__ = ["check_visualize"]

MAX_ITERATIONS = 10_000
MAX_RESTARTS = 1_000


def check_visualize(spec: VisualizeSpec, model: Model, max_cost: float, checks: Checks) -> None:
    """Check all but the model's existence, and fill in the defaults.

    Args:
        spec: what is asked for; changed in place.
        model: the one it names.
        max_cost: seconds that one worker may take, by estimate.
        checks: collects what is wrong.
    """
    before = checks.count
    checks.choice(spec, "preset", Preset.DESCRIPTOR, default=Preset.PRESET_TUTORIAL)
    checks.choice(spec, "keep", Restarts.DESCRIPTOR, default=Restarts.RESTARTS_BEST)
    checks.number(spec, "restarts", 1, MAX_RESTARTS, default=1)
    if spec.preset in Preset.values():
        checks.number(spec, "iterations", 1, MAX_ITERATIONS, default=preset_render(spec.preset)[1])
        check_render(spec, model.interpretation.input.shape[-1], checks)
    check_selections(spec, model.layers, checks)
    check_objectives(spec, model.layers, checks)
    if checks.count == before:
        check_cost(spec, model.layers, max_cost, checks)
