"""Checks of visualization specs: afterwards every setting is there, and every layer and feature is spelled out."""

from math import prod

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
MAX_FRAMES = 256

# Bytes of the pixels of an image with all of its frames: it is sent in one message.
MAX_IMAGE_BYTES = 120 * 2**20

# Bytes of a float32.
PIXEL_BYTES = 4


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
        check_render(spec, model.input_shape[-1] if model.input_shape else 1, checks)
    _check_frames(spec, model, checks)
    check_selections(spec, model.layers, checks)
    check_objectives(spec, model.layers, checks)
    if checks.count == before:
        check_cost(spec, model.layers, max_cost, checks)


def _check_frames(spec: VisualizeSpec, model: Model, checks: Checks) -> None:
    """Check how many images of the way are kept; their start and end are among them."""
    most = min(MAX_FRAMES, max(1, spec.iterations) + 1)
    image_bytes = PIXEL_BYTES * prod(model.input_shape)
    fitting = MAX_IMAGE_BYTES // image_bytes - 2  # besides the best and the final image
    if not 0 <= spec.frames <= most:
        checks.refuse(
            "frames", f"must be 0 to {most:,} (one for the start and one for each iteration), not {spec.frames:,}"
        )
    elif spec.frames > max(0, fitting):
        checks.refuse(
            "frames", f"must be at most {max(0, fitting):,} for images of this size, or no message holds them"
        )
