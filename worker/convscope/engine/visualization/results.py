"""What climbed, as feature images: classified, judged, traced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine.evaluation.classification import Predictions
from convscope.engine.visualization.ascent.ascent import UNBROKEN
from convscope.engine.visualization.ascent.climb import Climbed
from convscope.engine.visualization.ascent.frames import Frames
from convscope.engine.visualization.ascent.moments import Moments
from convscope.engine.visualization.images import FeatureImage, OptimizedImage, Spread, Trace
from convscope.engine.visualization.verdicts import Verdict, judge
from convscope.planning import Item

__all__ = ["Result", "Seen", "feature_image", "results", "seen"]

# The class that the model takes an image for, and its probability; None for both where the model has no classes.
Seen: TypeAlias = tuple[int | None, float | None]
UNSEEN: Final[Seen] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """One image's ascent: its final and its best image, [h, w, c], objectives and iterations.

    `seen` is what the model takes the final and the best image for, `frames` are images of the way, `cut` tells whether
    the batch was smaller than planned.
    """

    item: Item
    final: npt.NDArray[np.float32]
    final_objective: float
    final_iteration: int
    best: npt.NDArray[np.float32]
    best_objective: float
    best_iteration: int
    verdict: Verdict
    trace: Trace | None
    seen: tuple[Seen, Seen] = (UNSEEN, UNSEEN)
    frames: tuple[OptimizedImage, ...] = ()
    cut: bool = False


def seen(predictions: Predictions, row: int) -> Seen:
    """Return what a model takes one image of a batch for."""
    predicted, probability = predictions
    return int(predicted[row]), float(probability[row])


def results(
    climbed: Climbed,
    items: Sequence[Item],
    rows: Sequence[int],
    bounds: Sequence[float | None],
    moments: Moments | None,
    *,
    frames: Frames | None,
    cut: bool,
) -> list[Result]:
    """Return what became of the images in some rows of a batch; `items` and `bounds` are those of just these.

    `cut` tells whether the batch was smaller than planned.
    """
    state = climbed.state
    final, best = state.image.numpy(), state.best_image.numpy()
    final_objective, best_objective = _numbers(state.objective), _numbers(state.best_objective)
    start_objective, broken = _numbers(climbed.start_objective), climbed.broken
    best_iteration, final_iteration = state.best_iteration.numpy(), climbed.final_iteration
    return [
        Result(
            item=item,
            final=final[row],
            final_objective=final_objective[row],
            final_iteration=int(final_iteration[row]),
            best=best[row],
            best_objective=best_objective[row],
            best_iteration=int(best_iteration[row]),
            verdict=judge(
                start=start_objective[row],
                best=best_objective[row],
                pixels=best[row],
                broken_at=None if broken[row] == UNBROKEN else int(broken[row]),
                upper_bound=bound,
                rescued=bool(climbed.rescued[row]),
                without_gradient=bool(climbed.dead[row]),
            ),
            trace=moments.trace(row) if moments else None,
            frames=frames.of(row, int(final_iteration[row])) if frames else (),
            cut=cut,
        )
        for item, row, bound in zip(items, rows, bounds, strict=True)
    ]


def feature_image(result: Result, spread: Spread | None = None) -> FeatureImage:
    """Return a result, classified, as an image."""
    final, best = result.seen
    return FeatureImage(
        item=result.item,
        final=_optimized(result.final, result.final_objective, result.final_iteration, final),
        best=_optimized(result.best, result.best_objective, result.best_iteration, best),
        trace=result.trace,
        verdict=result.verdict,
        spread=spread,
        frames=result.frames,
        cut=result.cut,
    )


def _optimized(pixels: npt.NDArray[np.float32], objective: float, iteration: int, taken_for: Seen) -> OptimizedImage:
    predicted, probability = taken_for
    return OptimizedImage(
        pixels=pixels,
        objective=objective,
        predicted_class=predicted,
        probability=probability,
        iteration=iteration,
    )


def _numbers(objectives: Any) -> list[float]:
    """Return objectives as numbers; NaN for those that are infinite, such as the best of none."""
    values = np.asarray(objectives, np.float64)
    return [float(value) for value in np.where(np.isfinite(values), values, np.nan)]
