"""Settings of computations, as plain values.

Only settings that no computation can use are refused, with ``ValueError``; the contract has the narrower ranges of a
service's jobs.
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

    Attributes:
        filters: number of output channels.
        kernel_size: side of the kernel, in pixels.
        activation: after the bias.
        pool_size: side of the pooling window, in pixels; 1 means no pooling. Windows that do not fit are dropped.
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
    """A training run with Adam.

    Attributes:
        network: layers of a new network; ignored where a model is continued.
        learning_rate: of Adam.
        precision: of activations and gradients.
        batch_size: images a step, at least 1.
        iterations: steps, at least 0.
        report_interval: steps between two reports, at least 1; the first and the last step have reports as well.
        validation_interval: steps between two measurements of the accuracy on the validation split; 0: never.
        seed: 0 to 2**64 - 1.
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
    """A visualization.

    Attributes:
        iterations: updates of each image, at least 0.
        seed: of starts and transforms, 0 to 2**64 - 1.
        trace: whether to record every iteration.
        frames: number of intermediate images to keep, at most ``iterations`` + 1.
        restarts: ascents of each feature, from different starts, at least 1.
        keep_all: whether to return the images of all restarts, instead of the best one.
        render: how an image is optimized.
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
    """Raise ``ValueError`` if a setting is below its bound, or the seed has more than 64 bits."""
    for name, bound in least.items():
        if getattr(settings, name) < bound:
            raise ValueError(f"{name} must be at least {bound}, not {getattr(settings, name)}")
    seed = getattr(settings, "seed", 0)
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must be 0 to 2**64 - 1, not {seed}")
