"""A layer to visualize."""

from collections.abc import Iterable

import keras

from convscope.worker.errors import ComputationError
from convscope.worker.visualization.ascent import Ascent
from convscope.worker.visualization.chunks import chunk_size
from convscope.worker.visualization.objectives import target_layer

__all__ = ["Target"]


class Target:
    """A layer of a model, the size of its chunks, and its ascent, which is compiled once.

    Raises ComputationError if the model has no layer of this name, or it has no features.
    """

    def __init__(self, model: keras.Model, name: str) -> None:
        self.layer = target_layer(model, name)
        self.features: int = self.layer.output.shape[-1]
        self.image_shape: tuple[int, ...] = tuple(model.inputs[0].shape[1:])
        self.rows = chunk_size(model, self.features)
        self.ascent = Ascent(model, self.layer, self.rows)

    def checked(self, features: Iterable[int]) -> list[int]:
        """Return the features; raises ComputationError if the layer lacks one."""
        asked = list(features)
        unknown = [feature for feature in asked if not 0 <= feature < self.features]
        if unknown:
            raise ComputationError(
                f"layer {self.layer.name!r} has no feature {unknown[0]}; it has 0 to {self.features - 1}"
            )
        return asked

    def chunk(self, feature: int) -> list[int]:
        """Return the features of the chunk that a feature belongs to, row by row.

        Rows beyond the layer's last feature repeat it.
        """
        first = feature // self.rows * self.rows
        return [min(each, self.features - 1) for each in range(first, first + self.rows)]
