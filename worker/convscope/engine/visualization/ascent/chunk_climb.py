"""The climb of a chunk: all of it at once, or in halves where memory does not suffice."""

import logging
import threading
from dataclasses import replace

import tensorflow as tf

from convscope.engine.errors import ComputationError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization.ascent.chunks import Chunk, halved, halves
from convscope.engine.visualization.ascent.climb import Climb
from convscope.engine.visualization.ascent.moments import Moments
from convscope.engine.visualization.items import ItemKey
from convscope.engine.visualization.results import Result, results, seen
from convscope.engine.visualization.target import Target

__all__ = ["ChunkClimb"]

logger = logging.getLogger(__name__)


class ChunkClimb:
    """Climbs with chunks of a target, `rows` long, or with parts of them of `most_rows`; keeps what is wanted."""

    def __init__(
        self, target: Target, settings: VisualizeSettings, classify: Classifier, *, rows: int, most_rows: int
    ) -> None:
        self._target = target
        self._settings = settings
        self._classify = classify
        self._rows = rows
        self._most_rows = most_rows

    def __call__(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        """Return the results of the wanted items.

        Raises Stopped if told to stop on the way, ComputationError if there is not the memory for a single image.
        """
        if chunk.rows > min(self._most_rows, self._target.most_rows or self._most_rows):
            return self._halved(chunk, stop)
        try:
            return self._climbed(chunk, stop)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            reason = str(error).partition("\n")[0]
        # Out of the except clause, which would hold on to the memory of what failed.
        self._learn(chunk, reason)
        return self._halved(chunk, stop)

    def _halved(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        return [result for half in halves(chunk) for result in self(half, stop)]

    def _learn(self, chunk: Chunk, reason: str) -> None:
        """Remember that memory does not suffice for a chunk: TensorFlow takes seconds to find out."""
        target = self._target
        if chunk.rows == 1 or not target.divisible:
            raise ComputationError(f"there is no memory for {chunk.rows} image(s) of {target.name!r} at once: {reason}")
        # Of several threads that ran out of memory at once the last may have tried the most.
        target.most_rows = min(halved(chunk.rows), target.most_rows or chunk.rows)
        logger.warning(
            "out of memory with %d images of %s at a time; going on with %d",
            chunk.rows,
            target.name,
            target.most_rows,
        )

    def _climbed(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        target, settings = self._target, self._settings
        items = [self._key(item) for item in chunk.items]
        rows = [item - chunk.first for item in chunk.wanted]
        moments = Moments(self._classify) if settings.trace else None
        climb = Climb(target.ascent(chunk.rows), items, stop, moments.look if moments else None)
        climbed = climb.run(settings.iterations, rescue=target.rescue)
        bounds = target.upper_bounds([items[row].feature for row in rows])
        found = results(climbed, items, rows, bounds, moments, cut=chunk.rows < self._rows)
        if settings.restarts > 1 and not settings.keep_all:
            return found  # only the best will be classified
        final, best = self._classify(climbed.state.image), self._classify(climbed.state.best_image)
        return [
            replace(result, seen=(seen(final, row), seen(best, row))) for result, row in zip(found, rows, strict=True)
        ]

    def _key(self, item: int) -> ItemKey:
        feature, restart = divmod(item, self._settings.restarts)
        return ItemKey(seed=self._settings.seed, layer=self._target.key, feature=feature, restart=restart)
