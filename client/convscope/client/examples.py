"""The misclassified examples that evaluations keep."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.client import tensors
from convscope.v1 import evaluations_pb2

__all__ = ["Example"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """An example of a split, and what the model predicts for it.

    Attributes:
        index: Its index in its split, from 0.
        pixels: float32 [height, width, channels], 0 to 1; [0, 0, 0] where it was fetched as PNG or without pixels.
        png: The image as a file; empty unless it was fetched so.
        true_class: Its class number.
        predicted_class: The class number that the model chose.
        probability: The model's probability of the class that it chose, 0 to 1.
    """

    index: int
    pixels: NDArray[np.float32]
    png: bytes
    true_class: int
    predicted_class: int
    probability: float

    @classmethod
    def from_wire(cls, message: evaluations_pb2.Example) -> "Example":
        """Return the example of a message."""
        return cls(
            index=message.index,
            pixels=tensors.pixels(message),
            png=message.png,
            true_class=message.true_class,
            predicted_class=message.predicted_class,
            probability=message.probability,
        )
