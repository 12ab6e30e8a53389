"""Complete settings that are known to work, and what becomes of them where a request differs."""

from typing import Final

from convscope.v1.render_pb2 import (
    AdamStep,
    Fourier,
    NormalizedStep,
    Pixels,
    Preset,
    Regularizers,
    Render,
    Transforms,
)
from convscope.v1.rules import fill_defaults

__all__ = ["merged", "preset_render"]

# The tutorial's algorithm, exactly.
TUTORIAL: Final = Render(
    pixels=Pixels(),
    decorrelate=False,
    transforms=Transforms(pad=0, jitter=0, scale=0, rotate=0, noise=0),
    regularizers=Regularizers(l1=0, l2=0, total_variation=0, blur=0),
    normalized=NormalizedStep(size=1, decay=1),
    rescue=0,
)
# In the manner of Lucid, with sizes at which a digit of 28 pixels stays whole. The noise is what makes other networks
# recognize the images. Penalties stay out: objectives of different layers differ by orders of magnitude, so that a
# weight that smooths the image of a class flattens that of a filter to one grey.
ROBUST: Final = Render(
    fourier=Fourier(decay=1, deviation=0.01),
    decorrelate=True,
    transforms=Transforms(pad=0, jitter=0.06, scale=0.1, rotate=10, noise=0.2),
    regularizers=Regularizers(l1=0, l2=0, total_variation=0, blur=0),
    adam=AdamStep(learning_rate=0.05),
    rescue=16,
)
# Settings and ascent steps.
PRESETS: Final = {
    Preset.PRESET_UNSPECIFIED: (TUTORIAL, 30),
    Preset.PRESET_TUTORIAL: (TUTORIAL, 30),
    Preset.PRESET_ROBUST: (ROBUST, 128),
}


def preset_render(preset: Preset.ValueType) -> tuple[Render, int]:
    """Return a preset's settings, with every field set, and its number of ascent steps.

    `decorrelate` of a preset is meant for images with 3 channels; others are as without it.

    Raises:
        KeyError: for a value that is no preset.
    """
    settings, iterations = PRESETS[preset]
    render = Render()
    render.CopyFrom(settings)
    return render, iterations


def merged(preset: Preset.ValueType, overrides: Render) -> Render:
    """Return a preset's settings with those of a request in their place; every field is set.

    A parameterization or optimizer of another kind than the preset's has its own defaults. What the preset alone says
    gives way where it would contradict the request: pixels are not decorrelated, and Fourier coefficients are
    optimized by AdamStep. Ranges and contradictions within the request are not looked at.
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
