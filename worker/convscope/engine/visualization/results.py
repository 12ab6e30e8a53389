"""Results of ascents, as images that are classified, judged and traced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.engine.evaluation.classification import Predictions
from convscope.engine.visualization.ascent.ascent import UNBROKEN
from convscope.engine.visualization.ascent.batch_ascent import AscentOutcome
from convscope.engine.visualization.ascent.frames import Frames
from convscope.engine.visualization.ascent.trace_recorder import TraceRecorder
from convscope.engine.visualization.images import Image, OptimizedImage, Spread, Trace
from convscope.engine.visualization.verdicts import Verdict, judge
from convscope.planning import Item

__all__ = ["Prediction", "Result", "feature_image", "prediction", "results"]

# The class that the model predicts, and its probability; None for both where the model has no classes.
Prediction: TypeAlias = tuple[int | None, float | None]
NO_PREDICTION: Final[Prediction] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """One image's ascent.

    Attributes:
        item: address of the image.
        final: float32 [h, w, c], after the last update.
        final_objective: of the final image.
        final_iteration: updates of the final image.
        best: float32 [h, w, c], with the highest objective.
        best_objective: of the best image.
        best_iteration: updates of the best image.
        verdict: on the image.
        trace: of the ascent, if requested.
        predictions: of the model for the final and the best image.
        frames: intermediate images.
        cut: whether the batch was smaller than planned.
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
    predictions: tuple[Prediction, Prediction] = (NO_PREDICTION, NO_PREDICTION)
    frames: tuple[OptimizedImage, ...] = ()
    cut: bool = False


def prediction(predictions: Predictions, row: int) -> Prediction:
    """Return the prediction for one image of a batch."""
    predicted, probability = predictions
    return int(predicted[row]), float(probability[row])


def results(
    outcome: AscentOutcome,
    items: Sequence[Item],
    rows: Sequence[int],
    bounds: Sequence[float | None],
    recorder: TraceRecorder | None,
    *,
    frames: Frames | None,
    cut: bool,
) -> list[Result]:
    """Return the results of some rows of a batch.

    Args:
        outcome: of the batch.
        items: of these rows.
        rows: which.
        bounds: upper bounds of the objectives of these rows; None where unknown.
        recorder: of the batch's traces, if requested.
        frames: of the batch, if requested.
        cut: whether the batch was smaller than planned.
    """
    state = outcome.state
    final, best = state.image.numpy(), state.best_image.numpy()
    final_objective, best_objective = _numbers(state.objective), _numbers(state.best_objective)
    start_objective, broken = _numbers(outcome.start_objective), outcome.broken
    best_iteration, final_iteration = state.best_iteration.numpy(), outcome.final_iteration
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
                rescued=bool(outcome.rescued[row]),
                without_gradient=bool(outcome.dead[row]),
            ),
            trace=recorder.trace(row) if recorder else None,
            frames=frames.of(row, int(final_iteration[row])) if frames else (),
            cut=cut,
        )
        for item, row, bound in zip(items, rows, bounds, strict=True)
    ]


def feature_image(result: Result, spread: Spread | None = None) -> Image:
    """Return a classified result as an image."""
    final, best = result.predictions
    return Image(
        item=result.item,
        final=_optimized(result.final, result.final_objective, result.final_iteration, final),
        best=_optimized(result.best, result.best_objective, result.best_iteration, best),
        trace=result.trace,
        verdict=result.verdict,
        spread=spread,
        frames=result.frames,
        cut=result.cut,
    )


def _optimized(
    pixels: npt.NDArray[np.float32], objective: float, iteration: int, prediction: Prediction
) -> OptimizedImage:
    predicted, probability = prediction
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
