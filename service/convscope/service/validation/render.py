"""How images are optimized: the preset's settings where there are none, and no setting that contradicts another."""

from convscope.service.validation.checks import Checks
from convscope.service.validation.presets import merged
from convscope.v1.render_pb2 import Preset, Render
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_render"]

# What colours can be decorrelated in.
COLOURS = 3


def check_render(spec: VisualizeSpec, channels: int, checks: Checks) -> None:
    """Fill in the preset's settings, and check what goes together.

    Args:
        spec: its preset is known; its render settings are changed in place.
        channels: those of the model's images.
        checks: collects what is wrong.
    """
    asked = Render()
    asked.CopyFrom(spec.render)
    spec.render.CopyFrom(merged(spec.preset, asked))
    if channels != COLOURS and not asked.HasField("decorrelate"):
        spec.render.decorrelate = False
    whose = "" if asked.HasField("fourier") else f" of {Preset.Name(spec.preset)}"
    _check_contradictions(spec.render, channels, whose, checks.inside("render"))


def _check_contradictions(render: Render, channels: int, whose: str, checks: Checks) -> None:
    if render.HasField("normalized") and render.HasField("fourier"):
        checks.refuse("normalized", f"goes with pixels only, not with Fourier coefficients{whose}; set pixels, or adam")
    if render.decorrelate and channels != COLOURS:
        checks.refuse("decorrelate", f"needs images with {COLOURS} channels; those of the model have {channels}")
    elif render.decorrelate and not render.HasField("fourier"):
        checks.refuse("decorrelate", "needs a Fourier parameterization, not pixels; set fourier")
