"""What is asked for, as far as planning is concerned: names, integers, and bytes that are compared only."""

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["LayerShape", "LayerTarget", "ObjectiveTarget", "TargetRequest", "VisualizationRequest", "objective_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """The size of one layer of a model.

    Attributes:
        name: unique in the model.
        output_shape: of its output for one image.
        feature_count: channels or units that can be visualized; 0 where there are none.
        parameter_count: trainable weights.
    """

    name: str
    output_shape: tuple[int, ...]
    feature_count: int = 0
    parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTarget:
    """Features of a layer.

    Attributes:
        name: the layer's.
        features: their numbers, rising, without duplicates.
    """

    name: str
    features: tuple[int, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that it looks at."""
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveTarget:
    """A custom objective.

    Attributes:
        name: what its images are listed under; unlike any layer's.
        layers: names of the layers that it looks at.
        divisible: whether its restarts may be computed apart; not where they look at each other.
        content: everything that it is, as bytes that are equal where the objectives are; only cache keys need them.
    """

    name: str
    layers: tuple[str, ...]
    divisible: bool = True
    content: bytes = b""

    @property
    def features(self) -> tuple[int, ...]:
        """It has a single one."""
        return (0,)


TargetRequest: TypeAlias = LayerTarget | ObjectiveTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizationRequest:
    """A visualization, every default filled in.

    Attributes:
        layers: features of layers, each layer once.
        objectives: custom objectives.
        iterations: updates of each image.
        restarts: ascents of each feature.
        keep_all: whether every restart gives an image; else only the best one does.
        settings: everything else that decides an image's bits, as bytes that are equal where it is; only cache keys
            need them.
    """

    layers: tuple[LayerTarget, ...] = ()
    objectives: tuple[ObjectiveTarget, ...] = ()
    iterations: int
    restarts: int = 1
    keep_all: bool = False
    settings: bytes = b""

    @property
    def targets(self) -> tuple[TargetRequest, ...]:
        """The layers, then the objectives."""
        return (*self.layers, *self.objectives)


def objective_name(index: int, name: str) -> str:
    """Return what the images of the objective at ``index`` are listed under."""
    return name or f"objectives[{index}]"
