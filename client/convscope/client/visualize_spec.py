"""What to visualize and how, as the contract has it."""

from convscope.client import checks
from convscope.client.enums import Preset, Restarts, to_wire
from convscope.client.objectives import Objectives, objective_messages
from convscope.client.render import RenderLike, render_message
from convscope.client.selections import Layers, selections
from convscope.v1 import render_pb2, visualize_pb2

__all__ = ["visualize_spec"]


def visualize_spec(
    model: str,
    layers: Layers,
    objectives: Objectives,
    *,
    preset: str | None,
    render: RenderLike,
    iterations: int | None,
    restarts: int | None,
    keep: str | None,
    seed: int,
    trace: bool,
    frames: int,
    recompute: bool,
) -> visualize_pb2.VisualizeSpec:
    """Return the message of a visualization; what is None is left to the server.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    spec = visualize_pb2.VisualizeSpec(
        model=model,
        selections=selections(layers),
        objectives=objective_messages(objectives),
        render=render_message(render),
        iterations=None if iterations is None else checks.int32("iterations", iterations),
        restarts=None if restarts is None else checks.int32("restarts", restarts),
        seed=checks.uint64("seed", seed),
        trace=checks.flag("trace", trace),
        frames=checks.int32("frames", frames),
        recompute=checks.flag("recompute", recompute),
    )
    if preset is not None:
        spec.preset = to_wire(Preset, render_pb2.Preset.Value, "preset", preset)
    if keep is not None:
        spec.keep = to_wire(Restarts, visualize_pb2.Restarts.Value, "keep", keep)
    return spec
