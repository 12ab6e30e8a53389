"""What can be set in a computation, as plain values.

Only what no computation can be made of is refused, with a ValueError; the narrower ranges of a service's jobs are
written in the contract.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from convscope import planning

__all__ = [
    "TUTORIAL",
    "Activation",
    "ConvolutionSettings",
    "DenseSettings",
    "EvaluateSettings",
    "NetworkSettings",
    "Precision",
    "TrainSettings",
    "VisualizeSettings",
]

# Seeds are 64 bits.
SEEDS: Final = 2**64

Activation: TypeAlias = Literal["relu", "elu", "tanh", "sigmoid", "linear"]
Precision: TypeAlias = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionSettings:
    """A convolution of stride 1 that keeps the size, its bias and activation, then a max-pooling.

    `kernel_size` and `pool_size` are in pixels; a pool of 1 means no pooling, windows that do not fit are dropped.
    """

    filters: int
    kernel_size: int = 5
    activation: Activation = "relu"
    pool_size: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseSettings:
    """A hidden fully connected layer with bias."""

    units: int
    activation: Activation = "relu"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The layers between image and logits; either tuple may be empty."""

    convolutions: tuple[ConvolutionSettings, ...]
    dense: tuple[DenseSettings, ...]


# The network of TensorFlow tutorial 13-B.
TUTORIAL: Final = NetworkSettings(
    convolutions=(ConvolutionSettings(filters=16), ConvolutionSettings(filters=36)),
    dense=(DenseSettings(units=128),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """A training run of `iterations` steps with Adam.

    Reports come after the first step, at every multiple of `report_interval` steps and after the last; accuracy on
    the validation split is measured at multiples of `validation_interval` (0: never). `network` is not looked at
    where a model is continued. `seed` is 0 to 2**64 - 1.
    """

    network: NetworkSettings = TUTORIAL
    learning_rate: float = 1e-4
    precision: Precision = "float32"
    batch_size: int = 64
    iterations: int = 10_000
    report_interval: int = 100
    validation_interval: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self, batch_size=1, iterations=0, report_interval=1, validation_interval=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """How to classify a split: images per batch, and how many misclassified examples to keep (the first ones)."""

    batch_size: int = 256
    max_errors: int = 9

    def __post_init__(self) -> None:
        _check(self, batch_size=1, max_errors=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeSettings:
    """How to visualize.

    Each feature is climbed `iterations` steps from each of `restarts` starts; the best image of them is returned, or
    with `keep_all` all are. `seed` decides starts and transforms. `trace` records every iteration. `frames` is how many
    images of the way are kept, at most `iterations` + 1. `render` says how an image is optimized.
    """

    iterations: int = planning.TUTORIAL_ITERATIONS
    seed: int = 0
    trace: bool = False
    frames: int = 0
    restarts: int = 1
    keep_all: bool = False
    render: planning.RenderSettings = planning.TUTORIAL

    def __post_init__(self) -> None:
        _check(self, iterations=0, restarts=1)


def _check(settings: object, **least: int) -> None:
    """Raise ValueError if a setting is less than it can be, or a seed has more than 64 bits."""
    for name, bound in least.items():
        if getattr(settings, name) < bound:
            raise ValueError(f"{name} must be at least {bound}, not {getattr(settings, name)}")
    seed = getattr(settings, "seed", 0)
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must be 0 to 2**64 - 1, not {seed}")
