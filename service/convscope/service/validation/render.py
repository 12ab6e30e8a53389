"""Checks of how images are optimized: every setting in its range, and none that contradicts another."""

from collections.abc import Mapping
from typing import Final

from convscope.service.validation.checks import Checks, Limits
from convscope.service.validation.presets import merged
from convscope.v1.render_pb2 import Preset, Render
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["check_render"]

WEIGHT = Limits(0, 1e6)

# Of every real number there is, by the message and field that it is in.
LIMITS: Final[Mapping[str, Mapping[str, Limits]]] = {
    "fourier": {"decay": Limits(0, 4), "deviation": Limits(0, 10, above=True)},
    "transforms": {
        "pad": Limits(0, 0.5),
        "jitter": Limits(0, 0.5),
        "scale": Limits(0, 0.9),
        "rotate": Limits(0, 180),
        "noise": Limits(0, 1),
    },
    "regularizers": {"l1": WEIGHT, "l2": WEIGHT, "total_variation": WEIGHT, "blur": WEIGHT},
    "normalized": {"size": Limits(0, 1_000, above=True), "decay": Limits(0, 1, above=True)},
    "adam": {"learning_rate": Limits(0, 1_000, above=True)},
}

MAX_RESCUE = 1_000

# What colours can be decorrelated in.
COLOURS = 3


def check_render(spec: VisualizeSpec, channels: int, checks: Checks) -> None:
    """Fill in the preset's settings and check them.

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
    inside = checks.inside("render")
    _check_ranges(spec.render, inside)
    whose = "" if asked.HasField("fourier") else f" of {Preset.Name(spec.preset)}"
    _check_contradictions(spec.render, channels, whose, inside)


def _check_ranges(render: Render, checks: Checks) -> None:
    for name, fields in LIMITS.items():
        if render.HasField(name):  # type: ignore[arg-type]  # the names of the table are fields
            for field, limits in fields.items():
                checks.inside(name).real(getattr(render, name), field, limits)
    checks.number(render, "rescue", 0, MAX_RESCUE)


def _check_contradictions(render: Render, channels: int, whose: str, checks: Checks) -> None:
    if render.HasField("normalized") and render.HasField("fourier"):
        checks.refuse("normalized", f"goes with pixels only, not with Fourier coefficients{whose}; set pixels, or adam")
    if render.decorrelate and channels != COLOURS:
        checks.refuse("decorrelate", f"needs images with {COLOURS} channels; those of the model have {channels}")
    elif render.decorrelate and not render.HasField("fourier"):
        checks.refuse("decorrelate", "needs a Fourier parameterization, not pixels; set fourier")
