"""Checks of visualization specs beyond the rules; fills in every setting, layer and feature."""

from math import prod

from convscope.service.validation.checks import Checks
from convscope.service.validation.cost import check_cost
from convscope.service.validation.memory import FLOAT_BYTES
from convscope.service.validation.objectives import check_objectives
from convscope.service.validation.presets import preset_render
from convscope.service.validation.render import check_render
from convscope.service.validation.selections import check_selections
from convscope.v1.models_pb2 import Model
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_visualize"]

# Bytes of the pixels of an image with all of its frames: it is sent in one message.
MAX_IMAGE_BYTES = 120 * 2**20


def check_visualize(spec: VisualizeSpec, model: Model, max_cost: float, checks: Checks) -> None:
    """Check what depends on the model and on other fields, and fill in what the preset and the model decide.

    Args:
        spec: the spec, with the contract's defaults filled in; changed in place.
        model: the model that it names.
        max_cost: seconds that one worker may take, by estimate.
        checks: has the violations of rules, and collects further ones.
    """
    if checks.right("preset"):
        if not spec.HasField("iterations"):
            spec.iterations = preset_render(spec.preset)[1]
        check_render(spec, model.interpretation.input.shape[-1], checks)
    if checks.right("frames") and checks.right("iterations") and spec.HasField("iterations"):
        _check_frames(spec, model, checks)
    check_selections(spec, model.layers, checks)
    check_objectives(spec, model.layers, checks)
    if checks.right(""):
        check_cost(spec, model.layers, max_cost, checks)


def _check_frames(spec: VisualizeSpec, model: Model, checks: Checks) -> None:
    """Check the number of frames: at most one for the start and one for each iteration."""
    image_bytes = FLOAT_BYTES * prod(model.interpretation.input.shape)
    fitting = max(0, MAX_IMAGE_BYTES // image_bytes - 2)  # besides the best and the final image
    if spec.frames > spec.iterations + 1:
        checks.refuse(
            "frames", f"must be at most {spec.iterations + 1:,}, one more than `iterations`, not {spec.frames:,}"
        )
    elif spec.frames > fitting:
        checks.refuse("frames", f"must be at most {fitting:,} for images of this size, or no message holds them")
