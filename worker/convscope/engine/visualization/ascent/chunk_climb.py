"""The climb of a chunk: all of it at once, or in halves where memory does not suffice."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import tensorflow as tf

from convscope.engine.errors import ComputationError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization.ascent.chunks import Chunk, halved, halves
from convscope.engine.visualization.ascent.climb import Climb
from convscope.engine.visualization.ascent.frames import Frames, frame_iterations
from convscope.engine.visualization.ascent.moments import Moments
from convscope.engine.visualization.random_keys import RandomKey
from convscope.engine.visualization.results import Result, results, seen
from convscope.engine.visualization.target import Target
from convscope.planning import Item

__all__ = ["ChunkClimb", "Cuts"]

logger = logging.getLogger(__name__)

# How many rows memory was found not to suffice for more than, by the target's key.
Cuts: TypeAlias = dict[str, int]


class ChunkClimb:
    """Climbs with chunks of a target; keeps what is wanted.

    Args:
        target: what is climbed.
        settings: how.
        classify: tells what the model takes images for; None if the model has no classes.
        rows: planned for a chunk.
        most_rows: that fit in memory by estimate; larger chunks are cut.
        cuts: what was found out about memory before, and by this climb.
        make_room: frees what is only kept to save time; None if there is nothing of the kind.
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

        Raises Stopped if told to stop on the way, ComputationError if there is not the memory for a single image.
        """
        if chunk.rows > min(self._most_rows, self._cuts.get(self._target.key, self._most_rows)):
            return self._halved(chunk, stop)
        found = self._tried(chunk, stop)
        if isinstance(found, str) and self._make_room:
            self._make_room()  # before a chunk is cut: its bits must not depend on what is kept
            found = self._tried(chunk, stop)
        if isinstance(found, str):
            self._learn(chunk, found)
            return self._halved(chunk, stop)
        return found

    def _tried(self, chunk: Chunk, stop: threading.Event) -> list[Result] | str:
        """Return a chunk's results, or what kept it from the memory that it needs, whose own memory is free by then."""
        try:
            return self._climbed(chunk, stop)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            return str(error).partition("\n")[0]

    def _halved(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        return [result for half in halves(chunk) for result in self(half, stop)]

    def _learn(self, chunk: Chunk, reason: str) -> None:
        """Remember that memory does not suffice for a chunk: TensorFlow takes seconds to find out."""
        target = self._target
        if chunk.rows == 1 or not target.divisible:
            raise ComputationError(f"there is no memory for {chunk.rows} image(s) of {target.name!r} at once: {reason}")
        # Of several threads that ran out of memory at once the last may have tried the most.
        self._cuts[target.key] = min(halved(chunk.rows), self._cuts.get(target.key, chunk.rows))
        logger.warning(
            "out of memory with %d images of %s at a time; going on with %d",
            chunk.rows,
            target.name,
            self._cuts[target.key],
        )

    def _climbed(self, chunk: Chunk, stop: threading.Event) -> list[Result]:
        target, settings = self._target, self._settings
        items = [Item(target.name, *divmod(number, settings.restarts)) for number in chunk.items]
        keys = [
            RandomKey(seed=settings.seed, target=target.key, feature=item.feature, restart=item.restart)
            for item in items
        ]
        rows = [item - chunk.first for item in chunk.wanted]
        moments = Moments(self._classify) if settings.trace else None
        at = frame_iterations(settings.frames, settings.iterations)
        frames = Frames(self._classify, at, rows) if at else None
        looks = [each.look for each in (moments, frames) if each]
        climb = Climb(target.ascent(chunk.rows), keys, stop, looks, None if moments else at)
        climbed = climb.run(settings.iterations, rescue=target.rescue)
        wanted = [items[row] for row in rows]
        bounds = target.upper_bounds([item.feature for item in wanted])
        found = results(climbed, wanted, rows, bounds, moments, frames=frames, cut=chunk.rows < self._rows)
        if self._classify is None or (settings.restarts > 1 and not settings.keep_all):
            return found  # of several restarts only the best will be classified
        final, best = self._classify(climbed.state.image), self._classify(climbed.state.best_image)
        return [
            replace(result, seen=(seen(final, row), seen(best, row))) for result, row in zip(found, rows, strict=True)
        ]
