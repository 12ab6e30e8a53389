"""Checks of visualization specs beyond the rules: then every setting is there, and every layer and feature by name."""

from convscope.service.validation.checks import Checks
from convscope.service.validation.cost import check_cost
from convscope.service.validation.objectives import check_objectives
from convscope.service.validation.presets import preset_render
from convscope.service.validation.render import check_render
from convscope.service.validation.selections import check_selections
from convscope.v1.models_pb2 import Model
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_visualize"]


def check_visualize(spec: VisualizeSpec, model: Model, max_cost: float, checks: Checks) -> None:
    """Check what depends on the model and on other fields, and fill in what the preset and the model decide.

    Args:
        spec: what is asked for, with the defaults that the contract has; changed in place.
        model: the one it names.
        max_cost: seconds that one worker may take, by estimate.
        checks: knows what breaks a rule, and collects what else is wrong.
    """
    if checks.right("preset"):
        if not spec.HasField("iterations"):
            spec.iterations = preset_render(spec.preset)[1]
        check_render(spec, model.interpretation.input.shape[-1], checks)
    check_selections(spec, model.layers, checks)
    check_objectives(spec, model.layers, checks)
    if checks.right(""):
        check_cost(spec, model.layers, max_cost, checks)
