"""The training curve."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.v1 import train_pb2

__all__ = ["History"]


# The figures of a report.
_ROW = np.dtype(
    [
        ("step", np.int64),
        ("loss", np.float64),
        ("batch_accuracy", np.float64),
        ("steps_per_second", np.float64),
        ("validation_accuracy", np.float64),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The training curve: n reports, in the order of their steps.

    Attributes:
        step: int64 [n], steps done, from the very first step of the model's lineage; >= 1.
        loss: float64 [n], mean cross-entropy of the step's batch before its update, in nats.
        batch_accuracy: float64 [n], share of the step's batch that is right after its update, 0 to 1.
        steps_per_second: float64 [n], speed since the report before; NaN in a run's first report.
        validation_accuracy: float64 [n], accuracy on the validation split, 0 to 1; NaN where it was not measured.
    """

    step: NDArray[np.int64]
    loss: NDArray[np.float64]
    batch_accuracy: NDArray[np.float64]
    steps_per_second: NDArray[np.float64]
    validation_accuracy: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)

    @classmethod
    def from_wire(cls, reports: Iterable[train_pb2.TrainProgress]) -> "History":
        """Return the history of a sequence of reports."""
        # One report at a time: Python's garbage collector would halt all threads over the thousands that a list holds.
        rows = np.fromiter(((r.step, r.loss, r.batch_accuracy, _speed(r), _validation(r)) for r in reports), _ROW)
        return cls(**{name: rows[name].copy() for name in _ROW.names or ()})


def _speed(report: train_pb2.TrainProgress) -> float:
    return report.steps_per_second if report.HasField("steps_per_second") else np.nan


def _validation(report: train_pb2.TrainProgress) -> float:
    return report.validation_accuracy if report.HasField("validation_accuracy") else np.nan
