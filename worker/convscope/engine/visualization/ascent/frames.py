"""Intermediate images of an ascent, at evenly spaced iterations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from convscope.engine.evaluation.classification import Classifier, Predictions
from convscope.engine.visualization.ascent.ascent import State
from convscope.engine.visualization.images import OptimizedImage

__all__ = ["Frames", "frame_iterations"]


def frame_iterations(frames: int, iterations: int) -> list[int]:
    """Return the iterations of frames: evenly spaced from 0 to ``iterations``; 0 for one frame."""
    gaps = max(1, frames - 1)
    return [(2 * number * iterations + gaps) // (2 * gaps) for number in range(frames)]


class Frame(NamedTuple):
    """Images of a batch after an evaluation, [rows, ...]: pixels, objectives and predictions."""

    iteration: int
    pixels: npt.NDArray[np.float32]
    objectives: npt.NDArray[np.float32]
    predictions: Predictions | None


class Frames:
    """Records the images of a batch at chosen iterations.

    Args:
        classify: predicts classes; None if the model has no classes.
        iterations: in rising order.
        rows: of the images to keep.
    """

    def __init__(self, classify: Classifier | None, iterations: Sequence[int], rows: Sequence[int]) -> None:
        self.iterations = iterations
        self._classify = classify
        self._places = {row: place for place, row in enumerate(rows)}
        self._frames: list[Frame] = []

    def record(self, state: State) -> None:
        """Keep the images if the iteration is a chosen one."""
        iteration = int(state.iteration)
        if iteration not in self.iterations:
            return
        rows = list(self._places)
        predictions = self._classify(state.image) if self._classify else None
        self._frames.append(
            Frame(
                iteration=iteration,
                pixels=state.image.numpy()[rows],
                objectives=state.objective.numpy()[rows],
                predictions=predictions and (predictions[0][rows], predictions[1][rows]),
            )
        )

    def of(self, row: int, final_iteration: int) -> tuple[OptimizedImage, ...]:
        """Return the frames of an image; after its ascent broke off, they repeat the last image."""
        place = self._places[row]
        return tuple(
            OptimizedImage(
                pixels=frame.pixels[place],
                objective=float(frame.objectives[place]) if np.isfinite(frame.objectives[place]) else float("nan"),
                predicted_class=int(frame.predictions[0][place]) if frame.predictions else None,
                probability=float(frame.predictions[1][place]) if frame.predictions else None,
                iteration=min(frame.iteration, final_iteration),
            )
            for frame in self._frames
        )
