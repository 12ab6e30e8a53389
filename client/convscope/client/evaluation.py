"""Results of evaluations."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convscope.client import tensors
from convscope.client.errors import ProtocolError
from convscope.client.examples import Example
from convscope.v1 import evaluate_pb2

__all__ = ["MATRIX_FILE", "ClassScores", "EvaluateResult", "Misclassified", "matrix_from_file"]

# Name of the job's file with the confusion matrix.
MATRIX_FILE = "confusion-matrix.npy"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """Scores of the C classes, by class number; each 0 to 1, and NaN where the denominator is 0.

    Attributes:
        names: C names.
        precision: float64 [C], share of right ones among examples predicted to be of the class, 0 to 1.
        recall: float64 [C], share of right ones among examples truly of the class, 0 to 1.
        f1: float64 [C], harmonic mean of precision and recall; NaN where one of them is.
        example_count: int64 [C], number of examples truly of the class.
    """

    names: tuple[str, ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    example_count: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misclassified:
    """The first n examples that the model got wrong, in the split's order.

    Attributes:
        images: float32 [n, height, width, channels], 0 to 1; [0, 0, 0, 0] where there is none.
        index: int64 [n], index of the example in its split.
        true: int32 [n], its class number.
        predicted: int32 [n], the class number the model chose.
        probability: float64 [n], the model's softmax probability of the class it chose, 0 to 1.
    """

    images: NDArray[np.float32]
    index: NDArray[np.int64]
    true: NDArray[np.int32]
    predicted: NDArray[np.int32]
    probability: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "Misclassified":
        """Return the examples, stacked."""
        pixels = [example.pixels for example in examples]
        return cls(
            images=np.stack(pixels) if pixels else np.zeros((0, 0, 0, 0), np.float32),
            index=np.array([example.index for example in examples], np.int64),
            true=np.array([example.true_class for example in examples], np.int32),
            predicted=np.array([example.predicted_class for example in examples], np.int32),
            probability=np.array([example.probability for example in examples], np.float64),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluateResult:
    """How a model does on a split of C classes. Its text is ``98.9% (9888 / 10000)``.

    Attributes:
        split: Name of the split.
        correct_count: Number of examples classified right.
        example_count: Number of examples.
        accuracy: correct_count / example_count, 0 to 1.
        confusion_matrix: int64 [C, C]; rows are true classes, columns predicted ones. In events, and where the job's
            files are lost, [0, 0] if C is more than 256.
        classes: Scores of each class.
        errors: The first examples that were classified wrong; none in events, and where they are lost.
    """

    split: str
    correct_count: int
    example_count: int
    accuracy: float
    confusion_matrix: NDArray[np.int64]
    classes: ClassScores
    errors: Misclassified

    def __str__(self) -> str:
        return f"{self.accuracy:.1%} ({self.correct_count} / {self.example_count})"

    @classmethod
    def from_wire(cls, message: evaluate_pb2.EvaluateResult) -> "EvaluateResult":
        """Return the result of a message, without what is kept elsewhere: errors, and a large confusion matrix."""
        return cls(
            split=message.split,
            correct_count=message.correct_count,
            example_count=message.example_count,
            accuracy=message.accuracy,
            confusion_matrix=_matrix(message),
            classes=_scores(message),
            errors=Misclassified.of(()),
        )


def matrix_from_file(data: bytes, classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix in a job's file ``confusion-matrix.npy``.

    Raises:
        ProtocolError: The file has no matrix for so many classes.
    """
    try:
        matrix: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError as error:
        raise ProtocolError(f"{MATRIX_FILE}: {error}") from error
    return _square(matrix, classes)


def _matrix(message: evaluate_pb2.EvaluateResult) -> NDArray[np.int64]:
    if not message.HasField("confusion_matrix"):
        return np.zeros((0, 0), np.int64)
    return _square(tensors.decode(message.confusion_matrix), len(message.classes))


def _square(matrix: NDArray[Any], classes: int) -> NDArray[np.int64]:
    if matrix.shape != (classes, classes) or matrix.dtype != np.int64:
        raise ProtocolError(f"confusion_matrix: {matrix.dtype} {list(matrix.shape)} for {classes} classes")
    return matrix


def _scores(message: evaluate_pb2.EvaluateResult) -> ClassScores:
    return ClassScores(
        names=tuple(scores.class_name for scores in message.classes),
        precision=_column(message, "precision"),
        recall=_column(message, "recall"),
        f1=_column(message, "f1"),
        example_count=np.array([scores.example_count for scores in message.classes], np.int64),
    )


def _column(message: evaluate_pb2.EvaluateResult, name: Literal["precision", "recall", "f1"]) -> NDArray[np.float64]:
    """Return one score of every class; NaN where it is absent."""
    scores = [getattr(scores, name) if scores.HasField(name) else np.nan for scores in message.classes]
    return np.array(scores, np.float64)
