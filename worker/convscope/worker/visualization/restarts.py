"""Which of the restarts of a feature to return."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from convscope.worker.classification import Classifier
from convscope.worker.visualization.images import FeatureImage, Spread
from convscope.worker.visualization.results import Result, feature_image, seen

__all__ = ["all_images", "best_images"]


def all_images(name: str, found: Iterable[Result]) -> Iterator[FeatureImage]:
    """Yield every result as an image."""
    return (feature_image(name, result) for result in found)


def best_images(name: str, found: Iterable[Result], classify: Classifier) -> Iterator[FeatureImage]:
    """Yield, for each feature, the restart whose best image has the highest objective, with the spread of all.

    Results come feature by feature. Of equally good restarts it is the first; one without a number is the worst.
    """
    for _, group in groupby(found, key=lambda result: result.item.feature):
        restarts = list(group)
        objectives = np.array([result.best_objective for result in restarts], np.float32)
        best = restarts[int(np.argmax(np.where(np.isfinite(objectives), objectives, -np.inf)))]
        yield feature_image(name, _classified(best, classify), _spread(objectives))


def _classified(result: Result, classify: Classifier) -> Result:
    """Classify both images in a batch of their own, so that the probability's bits do not depend on other images."""
    predictions = classify(np.stack([result.final, result.best]))
    return replace(result, seen=(seen(predictions, 0), seen(predictions, 1)))


def _spread(objectives: Sequence[float] | np.ndarray) -> Spread:
    numbers = np.asarray(objectives, np.float64)[np.isfinite(objectives)]
    mean, deviation = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (float("nan"), float("nan"))
    return Spread(objectives=np.asarray(objectives, np.float32), mean=mean, deviation=deviation)
