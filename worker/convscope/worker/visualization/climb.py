"""The way of one chunk of features from its starting images to its final ones."""

import threading
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convscope.worker.classification import Classifier
from convscope.worker.pace import Pace
from convscope.worker.parallel import Stopped
from convscope.worker.pulse import PULSE_SECONDS
from convscope.worker.settings import VisualizeSettings
from convscope.worker.visualization.ascent import State
from convscope.worker.visualization.images import FeatureImage, OptimizedImage, Trace
from convscope.worker.visualization.starts import starting_images
from convscope.worker.visualization.target import Target

__all__ = ["ChunkClimb"]

# What happened in an iteration: the fields of Trace, each [rows].
Moment: TypeAlias = dict[str, npt.NDArray[Any]]


class ChunkClimb:
    """Climbs with a whole chunk, and keeps the images of the features that are wanted."""

    def __init__(self, target: Target, settings: VisualizeSettings, classify: Classifier) -> None:
        self._target = target
        self._settings = settings
        self._classify = classify

    def __call__(self, wanted: Sequence[int], stop: threading.Event) -> list[FeatureImage]:
        """Return the images of features of one chunk; raises Stopped if told to stop on the way."""
        target, features = self._target, self._target.chunk(wanted[0])
        starts = starting_images(
            target.image_shape, seed=self._settings.seed, layer=target.layer.name, features=features
        )
        state = target.ascent.start(starts)
        moments: list[Moment] = []
        if self._settings.trace:
            state, moments = self._trace(state, features, stop)
        else:
            state = self._climb(state, features, self._settings.iterations + 1, stop)
        return self._images(state, moments, wanted)

    def _climb(self, state: State, features: Sequence[int], iterations: int, stop: threading.Event) -> State:
        pace = Pace(PULSE_SECONDS)
        while iterations:
            _check(stop)
            count = pace.next(iterations)
            with pace.measured(count):
                state = self._target.ascent.climb(state, features, count)
            iterations -= count
        return state

    def _trace(self, state: State, features: Sequence[int], stop: threading.Event) -> tuple[State, list[Moment]]:
        """Climb one iteration at a time, looking at the image before each update."""
        moments = []
        for _ in range(self._settings.iterations):
            _check(stop)
            state = self._target.ascent.climb(state, features, 1)
            moments.append(self._moment(state))
        return self._target.ascent.climb(state, features, 1), moments

    def _moment(self, state: State) -> Moment:
        predicted, probability = self._classify(state.image)
        gradient = state.gradient.numpy()
        return {
            "predicted_class": predicted,
            "probability": probability,
            "gradient_min": gradient.min(axis=(1, 2, 3)),
            "gradient_max": gradient.max(axis=(1, 2, 3)),
            "step_size": state.step_size.numpy(),
            "objective": state.objective.numpy(),
        }

    def _images(self, state: State, moments: Sequence[Moment], wanted: Sequence[int]) -> list[FeatureImage]:
        iterations = np.full(self._target.rows, state.iteration)
        final = self._optimized(state.image, state.objective, iterations)
        best = self._optimized(state.best_image, state.best_objective, state.best_iteration)
        rows = [feature % self._target.rows for feature in wanted]
        return [
            FeatureImage(
                layer=self._target.layer.name,
                feature=feature,
                final=final[row],
                best=best[row],
                trace=_trace_of(moments, row) if moments else None,
            )
            for feature, row in zip(wanted, rows, strict=True)
        ]

    def _optimized(self, images: Any, objectives: Any, iterations: Any) -> list[OptimizedImage]:
        predicted, probability = self._classify(images)
        values = np.asarray(objectives, np.float64)
        return [
            OptimizedImage(
                pixels=pixels,
                objective=float(objective) if np.isfinite(objective) else float("nan"),
                predicted_class=int(number),
                probability=float(share),
                iteration=int(iteration),
            )
            for pixels, objective, number, share, iteration in zip(
                images.numpy(), values, predicted, probability, np.asarray(iterations), strict=True
            )
        ]


def _trace_of(moments: Sequence[Moment], row: int) -> Trace:
    return Trace(**{name: np.stack([moment[name][row] for moment in moments]) for name in moments[0]})


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped
