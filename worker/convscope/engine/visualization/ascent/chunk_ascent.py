"""The ascent of a chunk: all of it at once, or in halves where memory does not suffice."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import tensorflow as tf

from convscope.engine.errors import ComputationError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization.ascent.batch_ascent import BatchAscent
from convscope.engine.visualization.ascent.chunks import Chunk, halved, halves
from convscope.engine.visualization.ascent.frames import Frames, frame_iterations
from convscope.engine.visualization.ascent.trace_recorder import TraceRecorder
from convscope.engine.visualization.random_keys import RandomKey
from convscope.engine.visualization.results import Result, prediction, results
from convscope.engine.visualization.target import Target
from convscope.planning import Item

__all__ = ["ChunkAscent", "Cuts"]

log = logging.getLogger(__name__)

# The largest number of rows for which memory suffices, by the target's key, where more have failed.
Cuts: TypeAlias = dict[str, int]


class ChunkAscent:
    """Computes chunks of a target, and returns the results of wanted items.

    Args:
        target: to maximize.
        settings: iterations, restarts, and what to record.
        classify: predicts classes; None if the model has no classes.
        rows: planned for a chunk.
        most_rows: that fit in memory by estimate; larger chunks are cut.
        cuts: smaller limits that were learned from failures; extended here.
        make_room: clears caches; None if there are none.
    """

    def __init__(
        self,
        target: Target,
        settings: VisualizeSettings,
        classify: Classifier | None,
        *,
        rows: int,
        most_rows: int,
        cuts: Cuts,
        make_room: Callable[[], None] | None = None,
    ) -> None:
        self._target = target
        self._settings = settings
        self._classify = classify
        self._rows = rows
        self._most_rows = most_rows
        self._cuts = cuts
        self._make_room = make_room

    def __call__(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        """Return the results of the wanted items.

        Raises:
            Stopped: if ``stop`` is set on the way.
            ComputationError: if memory does not suffice for a single image.
        """
        if chunk.rows > min(self._most_rows, self._cuts.get(self._target.key, self._most_rows)):
            return self._halved(chunk, stop)
        outcome = self._tried(chunk, stop)
        if isinstance(outcome, str) and self._make_room:
            self._make_room()  # before a chunk is cut: its bits must not depend on caches
            outcome = self._tried(chunk, stop)
        if isinstance(outcome, str):
            self._learn(chunk, outcome)
            return self._halved(chunk, stop)
        return outcome

    def _tried(self, chunk: Chunk, stop: threading.Event) -> list[Result] | str:
        """Return a chunk's results, or the error if memory does not suffice; the memory of the attempt is free then."""
        try:
            return self._computed(chunk, stop)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            return str(error).partition("\n")[0]

    def _halved(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        return [result for half in halves(chunk) for result in self(half, stop)]

    def _learn(self, chunk: Chunk, reason: str) -> None:
        """Remember that memory does not suffice for a chunk: TensorFlow needs seconds to fail."""
        target = self._target
        if chunk.rows == 1 or not target.divisible:
            raise ComputationError(f"there is no memory for {chunk.rows} image(s) of {target.name!r} at once: {reason}")
        # Of several threads that run out of memory at once, the last one may have tried the largest chunk.
        self._cuts[target.key] = min(halved(chunk.rows), self._cuts.get(target.key, chunk.rows))
        log.warning(
            "out of memory with %d images of %s at a time; continuing with %d",
            chunk.rows,
            target.name,
            self._cuts[target.key],
        )

    def _computed(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        target, settings = self._target, self._settings
        items = [Item(target.name, *divmod(number, settings.restarts)) for number in chunk.items]
        keys = [
            RandomKey(seed=settings.seed, target=target.key, feature=item.feature, restart=item.restart)
            for item in items
        ]
        rows = [item - chunk.first for item in chunk.wanted]
        recorder = TraceRecorder(self._classify) if settings.trace else None
        at = frame_iterations(settings.frames, settings.iterations)
        frames = Frames(self._classify, at, rows) if at else None
        observers = [recording.record for recording in (recorder, frames) if recording]
        ascent = BatchAscent(target.ascent(chunk.rows), keys, stop, observers, None if recorder else at)
        outcome = ascent.run(settings.iterations, rescue=target.rescue)
        wanted = [items[row] for row in rows]
        bounds = target.upper_bounds([item.feature for item in wanted])
        chunk_results = results(outcome, wanted, rows, bounds, recorder, frames=frames, cut=chunk.rows < self._rows)
        if self._classify is None or (settings.restarts > 1 and not settings.keep_all):
            return chunk_results  # of several restarts only the best will be classified
        final, best = self._classify(outcome.state.image), self._classify(outcome.state.best_image)
        return [
            replace(result, predictions=(prediction(final, row), prediction(best, row)))
            for result, row in zip(chunk_results, rows, strict=True)
        ]
