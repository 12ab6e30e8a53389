"""Choice among the restarts of a feature."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine.evaluation.classification import Classifier
from convscope.engine.visualization.images import Image, Spread
from convscope.engine.visualization.results import Result, feature_image, prediction

__all__ = ["Objectives", "all_images", "best_images", "best_of_runs"]

# The highest objectives of restarts, float32 [restarts], NaN where one never was finite.
Objectives: TypeAlias = npt.NDArray[np.float32]


def all_images(results: Iterable[Result]) -> Iterator[Image]:
    """Yield every result as an image."""
    return (feature_image(result) for result in results)


def best_images(results: Iterable[Result], classify: Classifier | None) -> Iterator[Image]:
    """Yield, for each feature, the restart whose best image has the highest objective, with the spread of all.

    Results come feature by feature. Of equal restarts the first is chosen; one that is not finite is the worst.
    """
    for _, group in groupby(results, key=lambda result: result.item.feature):
        best, objectives, cut = next(group), list[float](), False
        for result in chain([best], group):  # the others are not kept: there may be a thousand, with frames
            objectives.append(result.best_objective)
            best = result if _best(np.array([best.best_objective, result.best_objective], np.float32)) else best
            cut |= result.cut
        best = replace(best, cut=cut)
        classified = _classified(best, classify) if classify else best
        yield feature_image(classified, _spread(np.array(objectives, np.float32)))


def best_of_runs(runs: Sequence[Objectives]) -> tuple[int, Spread]:
    """Choose among the best images of runs of restarts that were computed separately.

    Args:
        runs: the objectives of each run, from a feature's first restart to its last.

    Returns:
        The run whose image is the feature's best, and the spread of all restarts: bit for bit as if they had been
        computed together.
    """
    objectives = np.concatenate(runs)
    ends = np.cumsum([len(run) for run in runs])
    return int(np.searchsorted(ends, _best(objectives), side="right")), _spread(objectives)


def _best(objectives: Objectives) -> int:
    """Return the place of the highest objective, the first one of equals; 0 if none is finite."""
    return int(np.argmax(np.where(np.isfinite(objectives), objectives, -np.inf)))


def _classified(result: Result, classify: Classifier) -> Result:
    """Classify both images in a separate batch, so that the probability's bits do not depend on other images."""
    predictions = classify(np.stack([result.final, result.best]))
    return replace(result, predictions=(prediction(predictions, 0), prediction(predictions, 1)))


def _spread(objectives: Objectives) -> Spread:
    numbers = np.asarray(objectives, np.float64)[np.isfinite(objectives)]
    mean, deviation = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (float("nan"), float("nan"))
    return Spread(objectives=np.asarray(objectives, np.float32), mean=mean, deviation=deviation)
