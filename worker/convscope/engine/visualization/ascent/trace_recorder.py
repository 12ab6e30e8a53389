"""Recording of traces, iteration by iteration."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.evaluation.classification import Classifier
from convscope.engine.visualization.ascent.ascent import State
from convscope.engine.visualization.ascent.optimizers import EPSILON
from convscope.engine.visualization.images import Trace

__all__ = ["TraceRecorder"]


class TraceRecorder:
    """Records a batch after every evaluation, for the traces of its images.

    Args:
        classify: predicts classes; None if the model has no classes.
    """

    def __init__(self, classify: Classifier | None) -> None:
        self._classify = classify
        self._records: list[dict[str, npt.NDArray[Any]]] = []

    def record(self, state: State) -> None:
        """Record the values of traces, arrays [rows]."""
        gradient = state.gradient.numpy()
        deviation = tf.math.reduce_std(state.gradient, axis=[1, 2, 3])
        record = {
            "gradient_min": gradient.min(axis=(1, 2, 3)),
            "gradient_max": gradient.max(axis=(1, 2, 3)),
            "step_size": (1.0 / (deviation + EPSILON)).numpy(),
            "objective": state.objective.numpy(),
        }
        if self._classify:
            record["predicted_class"], record["probability"] = self._classify(state.image)
        self._records.append(record)

    def trace(self, row: int) -> Trace:
        """Return the trace of one image, without the last evaluation, which follows the last update."""
        before = self._records[:-1]
        return Trace(**{name: np.stack([record[name][row] for record in before]) for name in before[0]})
