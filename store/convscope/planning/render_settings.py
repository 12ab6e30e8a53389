"""How an image is optimized, as plain values: the contract's ``Render``, and its presets."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

__all__ = [
    "ROBUST",
    "ROBUST_ITERATIONS",
    "TUTORIAL",
    "TUTORIAL_ITERATIONS",
    "AdamSettings",
    "FourierSettings",
    "NormalizedStepSettings",
    "OptimizerSettings",
    "ParameterizationSettings",
    "PixelSettings",
    "RegularizerSettings",
    "RenderSettings",
    "TransformSettings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSettings:
    """The pixels themselves are optimized, clipped to [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FourierSettings:
    """Coefficients of a Fourier series are optimized, through a sigmoid to [0, 1].

    Amplitudes fall off with the frequency to the power ``decay``, 0 to 4; the starting coefficients have the standard
    deviation ``deviation``, > 0 to 10.
    """

    decay: float = 1.0
    deviation: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformSettings:
    """Random transforms of each image at each iteration; 0 is none.

    ``pad`` and ``jitter`` are shares of the image's shorter side (0 to 0.5), ``scale`` is the largest change of size (0
    to 0.9), ``rotate`` the largest rotation in degrees (0 to 180), ``noise`` the standard deviation of a pixel's noise
    (0 to 1).
    """

    pad: float = 0.0
    jitter: float = 0.0
    scale: float = 0.0
    rotate: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularizerSettings:
    """Weights of the penalties that are subtracted from the objective during the ascent, 0 to 1e6; 0 is none."""

    l1: float = 0.0
    l2: float = 0.0
    total_variation: float = 0.0
    blur: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedStepSettings:
    """Steps of ``size`` times gradient over standard deviation, each ``decay`` times the last.

    ``size`` is > 0 to 1,000, ``decay`` > 0 to 1.
    """

    size: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamSettings:
    """Adam with beta 0.9 and 0.999; ``learning_rate`` is > 0 to 1,000."""

    learning_rate: float = 0.05


ParameterizationSettings: TypeAlias = PixelSettings | FourierSettings
OptimizerSettings: TypeAlias = NormalizedStepSettings | AdamSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """How an image is optimized; the defaults are the tutorial's.

    ``decorrelate`` applies to images with 3 channels and a Fourier parameterization. ``rescue`` is the number of
    iterations, 0 to 1,000, in which gradients pass inactive ReLUs if a start has no gradient.
    """

    parameterization: ParameterizationSettings = field(default_factory=PixelSettings)
    decorrelate: bool = False
    transforms: TransformSettings = field(default_factory=TransformSettings)
    regularizers: RegularizerSettings = field(default_factory=RegularizerSettings)
    optimizer: OptimizerSettings = field(default_factory=NormalizedStepSettings)
    rescue: int = 0


# The tutorial's algorithm, exactly, and its ascent steps.
TUTORIAL: Final = RenderSettings()
TUTORIAL_ITERATIONS: Final = 30
# After Lucid, with sizes at which a digit of 28 pixels stays complete. The noise makes other networks recognize the
# images. There are no penalties: objectives of different layers differ by orders of magnitude, so that a weight that
# smooths the image of a class flattens that of a filter to one grey.
ROBUST: Final = RenderSettings(
    parameterization=FourierSettings(decay=1.0, deviation=0.01),
    decorrelate=True,
    transforms=TransformSettings(jitter=0.06, scale=0.1, rotate=10.0, noise=0.2),
    optimizer=AdamSettings(learning_rate=0.05),
    rescue=16,
)
ROBUST_ITERATIONS: Final = 128
