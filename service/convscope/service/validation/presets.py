"""Presets, which are complete settings that work well, and how a request's settings override them."""

from dataclasses import asdict
from typing import Final

from convscope import planning
from convscope.v1.render_pb2 import (
    AdamStep,
    Fourier,
    NormalizedStep,
    Preset,
    Regularizers,
    Render,
    Transforms,
)
from convscope.v1.rules import fill_defaults

__all__ = ["merged", "preset_render"]

# Settings and ascent steps.
PRESETS: Final = {
    Preset.PRESET_UNSPECIFIED: (planning.TUTORIAL, planning.TUTORIAL_ITERATIONS),
    Preset.PRESET_TUTORIAL: (planning.TUTORIAL, planning.TUTORIAL_ITERATIONS),
    Preset.PRESET_ROBUST: (planning.ROBUST, planning.ROBUST_ITERATIONS),
}


def preset_render(preset: Preset.ValueType) -> tuple[Render, int]:
    """Return a preset's settings, with every field set, and its number of ascent steps.

    ``decorrelate`` of a preset is for images with 3 channels; with other images it has no effect.

    Raises:
        KeyError: if the value is not a preset.
    """
    settings, iterations = PRESETS[preset]
    render = Render(
        decorrelate=settings.decorrelate,
        transforms=Transforms(**asdict(settings.transforms)),
        regularizers=Regularizers(**asdict(settings.regularizers)),
        rescue=settings.rescue,
    )
    match settings.parameterization:
        case planning.PixelSettings():
            render.pixels.SetInParent()
        case planning.FourierSettings() as fourier:
            render.fourier.CopyFrom(Fourier(**asdict(fourier)))
    match settings.optimizer:
        case planning.NormalizedStepSettings() as normalized:
            render.normalized.CopyFrom(NormalizedStep(**asdict(normalized)))
        case planning.AdamSettings() as adam:
            render.adam.CopyFrom(AdamStep(**asdict(adam)))
    return render, iterations


def merged(preset: Preset.ValueType, overrides: Render) -> Render:
    """Return a preset's settings, overridden by those of a request; every field is set.

    A parameterization or optimizer of another kind than the preset's gets the defaults of that kind. A setting that
    only the preset has gives way if it contradicts the request: pixels are not decorrelated, and Fourier coefficients
    are optimized by ``AdamStep``. Ranges and contradictions within the request are not checked.
    """
    render, _ = preset_render(preset)
    for choice in ("parameterization", "optimizer"):
        chosen = overrides.WhichOneof(choice)
        if chosen is not None and chosen != render.WhichOneof(choice):
            _choose(render, chosen)
    render.MergeFrom(overrides)
    if render.HasField("pixels") and not overrides.HasField("decorrelate"):
        render.decorrelate = False
    if render.HasField("fourier") and not overrides.HasField("normalized") and render.HasField("normalized"):
        _choose(render, "adam")
    return render


def _choose(render: Render, chosen: str) -> None:
    settings = getattr(render, chosen)
    settings.SetInParent()
    fill_defaults(settings)
