"""A visualization as planning sees it: names, integers, and bytes that are only compared."""

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["LayerShape", "LayerTarget", "ObjectiveTarget", "TargetRequest", "VisualizationRequest", "objective_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """The size of one layer of a model.

    Attributes:
        name: the layer's name, unique in the model.
        output_shape: shape of its output for one image.
        feature_count: number of channels or units that can be visualized; 0 if there are none.
        parameter_count: number of trainable weights.
    """

    name: str
    output_shape: tuple[int, ...]
    feature_count: int = 0
    parameter_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTarget:
    """Features of a layer.

    Attributes:
        name: the layer's name.
        features: their numbers, ascending, without duplicates.
    """

    name: str
    features: tuple[int, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that it maximizes: one."""
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveTarget:
    """A custom objective.

    Attributes:
        name: the objective's name; no layer has it.
        layers: names of the layers that its terms refer to.
        divisible: whether its restarts may be computed separately; False if they depend on each other.
        content: the whole objective as bytes, equal for equal objectives; only cache keys need them.
    """

    name: str
    layers: tuple[str, ...]
    divisible: bool = True
    content: bytes = b""

    @property
    def features(self) -> tuple[int, ...]:
        """The objective's features: one, number 0."""
        return (0,)


TargetRequest: TypeAlias = LayerTarget | ObjectiveTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizationRequest:
    """A visualization with every default filled in.

    Attributes:
        layers: features of layers, each layer once.
        objectives: custom objectives.
        iterations: updates of each image.
        restarts: ascents of each feature.
        keep_all: whether every restart gives an image; else only the best one does.
        settings: everything else that decides an image's bits, as bytes that are equal for equal settings; only cache
            keys need them.
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
    """Return the name of the objective at ``index``, by default ``objectives[index]``."""
    return name or f"objectives[{index}]"
