"""Measures of how well a model classifies labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from convscope.engine.data import check_examples, scaled
from convscope.engine.errors import DatasetError
from convscope.engine.evaluation.classification import Classifier, Progress, classify_all, no_progress
from convscope.engine.models.model_file import ModelFile
from convscope.engine.runtime.pulse import Pulse, no_pulse
from convscope.engine.settings import EvaluateSettings

__all__ = ["Evaluation", "Misclassified", "evaluate"]

DEFAULT: Final = EvaluateSettings()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Misclassified:
    """A misclassified example.

    Attributes:
        index: number of the image, from 0.
        image: float32 [height, width, channels], 0 to 1.
        true: number of the true class.
        predicted: number of the predicted class.
        probability: of the predicted class, 0 to 1.
    """

    index: int
    image: npt.NDArray[np.float32]
    true: int
    predicted: int
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        correct: number of images that are classified correctly.
        total: number of images.
        confusion: int64 [classes, classes], rows the true classes, columns the predicted ones.
        precision: float64 [classes], 0 to 1, NaN where its denominator is 0.
        recall: likewise.
        f1: likewise, NaN also where one of the others is.
        support: int64 [classes], number of images of each class.
        errors: the first misclassified examples.
    """

    correct: int
    total: int
    confusion: npt.NDArray[np.int64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    support: npt.NDArray[np.int64]
    errors: tuple[Misclassified, ...]

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified correctly, 0 to 1."""
        return self.correct / self.total


def evaluate(
    model: keras.Model | ModelFile,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer[Any]],
    settings: EvaluateSettings = DEFAULT,
    *,
    classes: Sequence[str] | None = None,
    progress: Progress = no_progress,
    pulse: Pulse = no_pulse,
) -> Evaluation:
    """Classify images and compare with their labels.

    Args:
        model: leads from one image through layers to one number for each class.
        images: uint8 [n, height, width, channels], 0 to 255; at least one.
        labels: class numbers, integers [n].
        settings: batch size, and how many misclassified examples to keep.
        classes: names of the classes, which say how many there are; by default as many as the model has outputs.
        progress: called after every batch with the number of images done, and of all.
        pulse: called several times a second; what it raises ends the run.

    Raises:
        ModelFileError: if the model's output is not one number for each class.
        DatasetError: if images and labels do not fit each other.
    """
    check_examples(images, labels)
    if not len(labels):
        raise DatasetError("there are no images to classify")
    classifier = model.shared(Classifier) if isinstance(model, ModelFile) else Classifier(model)
    predicted, probability = classify_all(classifier, images, settings.batch_size, progress=progress, pulse=pulse)
    numbers = range(classifier.class_count if classes is None else len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=np.nan
    )
    wrong = np.flatnonzero(predicted != labels)
    return Evaluation(
        correct=len(labels) - len(wrong),
        total=len(labels),
        confusion=confusion_matrix(labels, predicted, labels=numbers).astype(np.int64),
        precision=precision,
        recall=recall,
        f1=np.where(np.isnan(precision) | np.isnan(recall), np.nan, f1),
        support=support.astype(np.int64),
        errors=tuple(
            Misclassified(
                index=int(index),
                image=scaled(images[index]),
                true=int(labels[index]),
                predicted=int(predicted[index]),
                probability=float(probability[index]),
            )
            for index in wrong[: settings.max_errors]
        ),
    )
