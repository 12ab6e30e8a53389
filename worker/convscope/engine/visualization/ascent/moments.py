"""What happens on the way of an ascent, iteration by iteration."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.evaluation.classification import Classifier
from convscope.engine.visualization.ascent.ascent import State
from convscope.engine.visualization.ascent.optimizers import EPSILON
from convscope.engine.visualization.images import Trace

__all__ = ["Moments"]


class Moments:
    """Looks at a batch after each evaluation, and remembers for the traces of its images.

    Args:
        classify: tells what the model takes images for; None if the model has no classes.
    """

    def __init__(self, classify: Classifier | None) -> None:
        self._classify = classify
        self._seen: list[dict[str, npt.NDArray[Any]]] = []

    def look(self, state: State) -> None:
        """Remember what traces tell, each an array [rows]."""
        gradient = state.gradient.numpy()
        deviation = tf.math.reduce_std(state.gradient, axis=[1, 2, 3])
        moment = {
            "gradient_min": gradient.min(axis=(1, 2, 3)),
            "gradient_max": gradient.max(axis=(1, 2, 3)),
            "step_size": (1.0 / (deviation + EPSILON)).numpy(),
            "objective": state.objective.numpy(),
        }
        if self._classify:
            moment["predicted_class"], moment["probability"] = self._classify(state.image)
        self._seen.append(moment)

    def trace(self, row: int) -> Trace:
        """Return the trace of one image; the last evaluation comes after the last update, and is left out."""
        before = self._seen[:-1]
        return Trace(**{name: np.stack([moment[name][row] for moment in before]) for name in before[0]})
