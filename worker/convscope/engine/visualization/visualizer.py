"""Finds the images that features of a model like to see the most."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import closing
from typing import Final, TypeAlias

import keras

from convscope.engine.errors import ComputationError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.models.graph import Graph
from convscope.engine.runtime.memory import default_memory
from convscope.engine.runtime.parallel import in_order
from convscope.engine.runtime.pulse import Pulse, no_pulse
from convscope.engine.runtime.threads import thread_count
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization.ascent.chunk_climb import ChunkClimb
from convscope.engine.visualization.ascent.chunks import ALL, chunks
from convscope.engine.visualization.ascent.fitting import Fitting
from convscope.engine.visualization.images import FeatureImage
from convscope.engine.visualization.objective.objectives import Objective
from convscope.engine.visualization.restarts import all_images, best_images
from convscope.engine.visualization.target import Target, layer_target, objective_target

__all__ = ["Ready", "Visualizer"]

# Takes each image as it is ready.
Ready: TypeAlias = Callable[[FeatureImage], None]

# Bounds the compiled functions that are kept: targets, those used last.
MOST_TARGETS: Final = 16


class Visualizer:
    """Visualizes features of one model; keeps what it compiles, so that one serves many requests.

    It follows the model's weights where these change, but for upper bounds, which keep to those of their first use.

    An image is a function of the model's weights, the layer and feature or the objective, the restart, the settings and
    the number of rows, to the last bit on one kind of machine: not of what it is asked for with, nor of the number of
    threads. Raises ModelFileError for a model that is not made of layers between one image and one output.

    `memory` bounds what images that climb at once may take, in bytes, by estimate; by default half of what the machine
    allows. Where that is too little for `rows` images on each thread, fewer climb together.
    """

    def __init__(self, model: keras.Model, memory: int | None = None) -> None:
        self._fitting = Fitting(thread_count(), memory or default_memory())
        self._graph = Graph(model)
        self._classify = Classifier(model)
        self._targets: OrderedDict[Hashable, Target] = OrderedDict()

    def run(
        self,
        layer: str,
        features: Iterable[int],
        settings: VisualizeSettings,
        *,
        rows: int,
        restarts: Mapping[int, range] = ALL,
        ready: Ready,
        pulse: Pulse = no_pulse,
    ) -> None:
        """Find the images of features of a layer, `rows` at a time; see `chunk_rows` of the planning.

        Each is handed to `ready`, in rising order of features and restarts, without duplicates. Of a feature that is
        in `restarts` only these are computed, and the best is that of these: see `best_of_runs`. Raises
        ComputationError if the model has no such layer, the layer no such feature, or the machine not the memory for a
        single image. What `ready` or `pulse` raise ends the run.
        """
        target = self._target((layer, settings.render), lambda: layer_target(self._graph, layer, settings.render))
        self._run(target, features, settings, rows=rows, restarts=restarts, ready=ready, pulse=pulse)

    def run_objective(
        self,
        name: str,
        objective: Objective,
        settings: VisualizeSettings,
        *,
        rows: int,
        restarts: Mapping[int, range] = ALL,
        ready: Ready,
        pulse: Pulse = no_pulse,
    ) -> None:
        """Find the images of an objective, listed as feature 0 of `name`; the same images whatever the name.

        With a diversity term all restarts must be in one batch: `rows` is their number. Else as `run`.
        """
        render = settings.render
        target = self._target((name, objective, render), lambda: objective_target(self._graph, name, objective, render))
        if not target.divisible and rows != settings.restarts:
            raise ComputationError(f"{settings.restarts} diverse restarts need a batch of as many rows, not {rows}")
        self._run(target, [0], settings, rows=rows, restarts=restarts, ready=ready, pulse=pulse)

    def _target(self, key: Hashable, make: Callable[[], Target]) -> Target:
        if key not in self._targets:
            self._targets[key] = make()
        self._targets.move_to_end(key)
        while len(self._targets) > MOST_TARGETS:
            self._targets.popitem(last=False)
        return self._targets[key]

    def _run(
        self,
        target: Target,
        features: Iterable[int],
        settings: VisualizeSettings,
        *,
        rows: int,
        restarts: Mapping[int, range],
        ready: Ready,
        pulse: Pulse,
    ) -> None:
        asked, count = target.checked(features), settings.restarts
        fit = self._fitting(target, rows, count)
        work = ChunkClimb(target, settings, self._classify, rows=rows, most_rows=fit.rows)
        wanted = chunks(asked, of=target.features, restarts=count, rows=rows, some=restarts)
        target.ascent(fit.rows)
        with closing(in_order(work, wanted, threads=fit.lanes, pulse=pulse)) as finished:
            found = (result for results in finished for result in results)
            choosing = count > 1 and not settings.keep_all
            images = best_images(target.name, found, self._classify) if choosing else all_images(target.name, found)
            for image in images:
                ready(image)
