"""Visualization of the features and objectives of one model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from typing import TypeAlias

import keras
import tensorflow as tf

from convscope.engine.errors import ComputationError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.models.model_file import ModelFile
from convscope.engine.models.network import LayerDescription
from convscope.engine.runtime.memory import default_memory
from convscope.engine.runtime.parallel import in_order
from convscope.engine.runtime.pulse import Pulse, no_pulse
from convscope.engine.runtime.threads import thread_count
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization.ascent.chunk_ascent import ChunkAscent, Cuts
from convscope.engine.visualization.ascent.chunks import ALL, chunks
from convscope.engine.visualization.ascent.fitting import Fitting
from convscope.engine.visualization.images import Image
from convscope.engine.visualization.objective.objectives import Objective
from convscope.engine.visualization.restarts import all_images, best_images
from convscope.engine.visualization.target import Target
from convscope.engine.visualization.targets import Targets
from convscope.planning import LayerShape, LayerTarget, ObjectiveTarget, TargetRequest, plan_target

__all__ = ["Ready", "Visualizer"]

# Takes an image that is ready.
Ready: TypeAlias = Callable[[Image], None]


class Visualizer:
    """Visualizes features of one model, and keeps the compiled functions for further calls.

    It follows changes of the model's weights, except for upper bounds, which use the weights of their first use.

    To the last bit on one kind of machine, an image is a function of the model's weights, the layer and feature or the
    objective, the restart, the settings and the number of rows; not of the rest of the request, the number of threads,
    or the caches.

    Args:
        model: a model, or its file; with a file, all models of its architecture share compiled functions.
        memory: bound of the estimated memory of concurrent ascents, in bytes; by default half of what the machine
            allows. Where that is too little for ``rows`` images on each thread, fewer are computed together.

    Raises:
        ModelFileError: for a model that is not made of layers between one image and one output.
    """

    def __init__(self, model: keras.Model | ModelFile, memory: int | None = None) -> None:
        self._fitting = Fitting(thread_count(), memory or default_memory())
        self._model = model if isinstance(model, ModelFile) else Targets(model)
        self._cuts: Cuts = {}
        _ = self._targets

    @property
    def layers(self) -> Sequence[LayerDescription]:
        """The layers of the model, from input to output."""
        return self._targets.layers

    @property
    def _targets(self) -> Targets:
        """The model's targets, compiled ones among them, with the weights of this model."""
        return self._model.shared(Targets) if isinstance(self._model, ModelFile) else self._model

    def run(
        self,
        layer: str,
        features: Iterable[int],
        settings: VisualizeSettings,
        *,
        rows: int | None = None,
        restarts: Mapping[int, range] = ALL,
        ready: Ready,
        pulse: Pulse = no_pulse,
    ) -> None:
        """Compute the images of features of a layer.

        Args:
            layer: its name.
            features: their numbers, in any order.
            settings: iterations, restarts, and how images are optimized.
            rows: images in a batch, which decide their bits; by default as many as planning says.
            restarts: restarts to compute, by feature, where not all are; the best image is the best of these (see
                ``best_of_runs``).
            ready: called with each image, in rising order of features and restarts, without duplicates; an exception
                ends the run.
            pulse: called several times a second; an exception ends the run.

        Raises:
            ComputationError: if the model has no such layer or feature, or the machine no memory for a single image.
        """
        targets = self._targets
        target = targets.layer(layer, settings.render)
        rows = rows or _planned_rows(LayerTarget(name=layer, features=()), targets.layers, settings)
        self._run(target, targets.classify, features, settings, rows=rows, restarts=restarts, ready=ready, pulse=pulse)

    def run_objective(
        self,
        name: str,
        objective: Objective,
        settings: VisualizeSettings,
        *,
        rows: int | None = None,
        restarts: Mapping[int, range] = ALL,
        ready: Ready,
        pulse: Pulse = no_pulse,
    ) -> None:
        """Compute the images of an objective, whose items have feature 0 and ``name``, which does not affect them.

        With a diversity term all restarts must be in one batch: ``rows`` is their number. For the other arguments and
        errors see ``run``.
        """
        targets = self._targets
        target = targets.objective(name, objective, settings.render)
        layers = tuple(term.layer for _, term in objective.summands)
        request = ObjectiveTarget(name=name, layers=layers, divisible=target.divisible)
        rows = rows or _planned_rows(request, targets.layers, settings)
        if not target.divisible and rows != settings.restarts:
            raise ComputationError(f"{settings.restarts} diverse restarts need a batch of as many rows, not {rows}")
        self._run(target, targets.classify, [0], settings, rows=rows, restarts=restarts, ready=ready, pulse=pulse)

    def _run(
        self,
        target: Target,
        classify: Classifier | None,
        features: Iterable[int],
        settings: VisualizeSettings,
        *,
        rows: int,
        restarts: Mapping[int, range],
        ready: Ready,
        pulse: Pulse,
    ) -> None:
        requested, count = target.checked(features), settings.restarts
        fit = self._fitting(target, rows, count, settings.frames)
        make_room = self._model.clear_caches if isinstance(self._model, ModelFile) else None
        work = ChunkAscent(
            target, settings, classify, rows=rows, most_rows=fit.rows, cuts=self._cuts, make_room=make_room
        )
        wanted = chunks(requested, of=target.features, restarts=count, rows=rows, some=restarts)
        target.ascent(fit.rows)

        def prepare() -> None:
            # For classification and verdicts; where this takes too much memory, the ascent that repeats it is cut.
            with suppress(tf.errors.ResourceExhaustedError, MemoryError):
                if classify:
                    classify.prepare()
                target.upper_bounds(requested[:1])

        with closing(in_order(work, wanted, threads=fit.concurrency, pulse=pulse, meanwhile=prepare)) as finished:
            results = (result for chunk_results in finished for result in chunk_results)
            choosing = count > 1 and not settings.keep_all
            images = best_images(results, classify) if choosing else all_images(results)
            for image in images:
                ready(image)


def _planned_rows(target: TargetRequest, layers: Sequence[LayerShape], settings: VisualizeSettings) -> int:
    return plan_target(target, layers, iterations=settings.iterations, restarts=settings.restarts).rows
