"""Checks of render settings: fills in the preset's, and refuses settings that contradict each other."""

from convscope.service.validation.checks import Checks
from convscope.service.validation.presets import merged
from convscope.v1.render_pb2 import Preset, Render
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_render"]

# Channels of images whose colours can be decorrelated.
COLOURS = 3


def check_render(spec: VisualizeSpec, channels: int, checks: Checks) -> None:
    """Fill in the preset's settings, and check that settings go together.

    Args:
        spec: a spec with a valid preset; its render settings are changed in place.
        channels: number of channels of the model's images.
        checks: collects violations.
    """
    requested = Render()
    requested.CopyFrom(spec.render)
    spec.render.CopyFrom(merged(spec.preset, requested))
    if channels != COLOURS and not requested.HasField("decorrelate"):
        spec.render.decorrelate = False
    source = "" if requested.HasField("fourier") else f" of {Preset.Name(spec.preset)}"
    _check_contradictions(spec.render, channels, source, checks.inside("render"))


def _check_contradictions(render: Render, channels: int, source: str, checks: Checks) -> None:
    if render.HasField("normalized") and render.HasField("fourier"):
        checks.refuse(
            "normalized", f"goes with pixels only, not with Fourier coefficients{source}; set pixels, or adam"
        )
    if render.decorrelate and channels != COLOURS:
        checks.refuse("decorrelate", f"needs images with {COLOURS} channels; those of the model have {channels}")
    elif render.decorrelate and not render.HasField("fourier"):
        checks.refuse("decorrelate", "needs a Fourier parameterization, not pixels; set fourier")
