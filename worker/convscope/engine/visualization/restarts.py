"""Which of the restarts of a feature to return."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine.evaluation.classification import Classifier
from convscope.engine.visualization.images import FeatureImage, Spread
from convscope.engine.visualization.results import Result, feature_image, seen

__all__ = ["Objectives", "all_images", "best_images", "best_of_runs"]

# The highest objective of each of some restarts, float32 [restarts], NaN for one that never had any.
Objectives: TypeAlias = npt.NDArray[np.float32]


def all_images(found: Iterable[Result]) -> Iterator[FeatureImage]:
    """Yield every result as an image."""
    return (feature_image(result) for result in found)


def best_images(found: Iterable[Result], classify: Classifier | None) -> Iterator[FeatureImage]:
    """Yield, for each feature, the restart whose best image has the highest objective, with the spread of all.

    Results come feature by feature. Of equally good restarts it is the first; one without a number is the worst.
    """
    for _, group in groupby(found, key=lambda result: result.item.feature):
        best, objectives, cut = next(group), list[float](), False
        for result in chain([best], group):  # the others are not held: there may be a thousand, each with its frames
            objectives.append(result.best_objective)
            best = result if _best(np.array([best.best_objective, result.best_objective], np.float32)) else best
            cut |= result.cut
        best = replace(best, cut=cut)
        classified = _classified(best, classify) if classify else best
        yield feature_image(classified, _spread(np.array(objectives, np.float32)))


def best_of_runs(runs: Sequence[Objectives]) -> tuple[int, Spread]:
    """Choose among the images that `best_images` found for runs of restarts which were computed apart.

    Args:
        runs: the objectives of each run, from a feature's first restart to its last.

    Returns:
        The run whose image is the feature's best, and the spread of all restarts: bit by bit as if they had been
        computed together.
    """
    objectives = np.concatenate(runs)
    ends = np.cumsum([len(run) for run in runs])
    return int(np.searchsorted(ends, _best(objectives), side="right")), _spread(objectives)


def _best(objectives: Objectives) -> int:
    """Return the first of the highest objectives; the first of all if none is a number."""
    return int(np.argmax(np.where(np.isfinite(objectives), objectives, -np.inf)))


def _classified(result: Result, classify: Classifier) -> Result:
    """Classify both images in a batch of their own, so that the probability's bits do not depend on other images."""
    predictions = classify(np.stack([result.final, result.best]))
    return replace(result, seen=(seen(predictions, 0), seen(predictions, 1)))


def _spread(objectives: Objectives) -> Spread:
    numbers = np.asarray(objectives, np.float64)[np.isfinite(objectives)]
    mean, deviation = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (float("nan"), float("nan"))
    return Spread(objectives=np.asarray(objectives, np.float32), mean=mean, deviation=deviation)
