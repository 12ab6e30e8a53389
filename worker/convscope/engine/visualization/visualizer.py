"""Finds the images that features of a model like to see the most."""

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
from convscope.engine.visualization.ascent.chunk_climb import ChunkClimb, Cuts
from convscope.engine.visualization.ascent.chunks import ALL, chunks
from convscope.engine.visualization.ascent.fitting import Fitting
from convscope.engine.visualization.images import FeatureImage
from convscope.engine.visualization.objective.objectives import Objective
from convscope.engine.visualization.restarts import all_images, best_images
from convscope.engine.visualization.target import Target
from convscope.engine.visualization.targets import Targets
from convscope.planning import LayerShape, LayerTarget, ObjectiveTarget, TargetRequest, plan_target

__all__ = ["Ready", "Visualizer"]

# Takes each image as it is ready.
Ready: TypeAlias = Callable[[FeatureImage], None]


class Visualizer:
    """Visualizes features of one model; keeps what it compiles, so that one serves many requests.

    It follows the model's weights where these change, but for upper bounds, which keep to those of their first use.

    An image is a function of the model's weights, the layer and feature or the objective, the restart, the settings and
    the number of rows, to the last bit on one kind of machine: not of what it is asked for with, nor of the number of
    threads, nor of what is kept. Raises ModelFileError for a model that is not made of layers between one image and one
    output.

    Args:
        model: a model, or its file, with which compiled functions are shared by all models of its architecture.
        memory: bounds what images that climb at once may take, in bytes, by estimate; by default half of what the
            machine allows. Where that is too little for `rows` images on each thread, fewer climb together.
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
        """Find the images of features of a layer, `rows` at a time; by default as many as planning says.

        Each is handed to `ready`, in rising order of features and restarts, without duplicates. Of a feature that is
        in `restarts` only these are computed, and the best is that of these: see `best_of_runs`. Raises
        ComputationError if the model has no such layer, the layer no such feature, or the machine not the memory for a
        single image. What `ready` or `pulse` raise ends the run.
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
        """Find the images of an objective, listed as feature 0 of `name`; the same images whatever the name.

        With a diversity term all restarts must be in one batch: `rows` is their number. Else as `run`.
        """
        targets = self._targets
        target = targets.objective(name, objective, settings.render)
        layers = tuple(term.layer for _, term in objective.summands)
        asked = ObjectiveTarget(name=name, layers=layers, divisible=target.divisible)
        rows = rows or _planned_rows(asked, targets.layers, settings)
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
        asked, count = target.checked(features), settings.restarts
        fit = self._fitting(target, rows, count, settings.frames)
        make_room = self._model.clear_caches if isinstance(self._model, ModelFile) else None
        work = ChunkClimb(
            target, settings, classify, rows=rows, most_rows=fit.rows, cuts=self._cuts, make_room=make_room
        )
        wanted = chunks(asked, of=target.features, restarts=count, rows=rows, some=restarts)
        target.ascent(fit.rows)

        def prepare() -> None:
            # What images are judged by; where this takes too much memory, the climb that does it again is cut.
            with suppress(tf.errors.ResourceExhaustedError, MemoryError):
                if classify:
                    classify.prepare()
                target.upper_bounds(asked[:1])

        with closing(in_order(work, wanted, threads=fit.lanes, pulse=pulse, meanwhile=prepare)) as finished:
            found = (result for results in finished for result in results)
            choosing = count > 1 and not settings.keep_all
            images = best_images(found, classify) if choosing else all_images(found)
            for image in images:
                ready(image)


def _planned_rows(target: TargetRequest, layers: Sequence[LayerShape], settings: VisualizeSettings) -> int:
    return plan_target(target, layers, iterations=settings.iterations, restarts=settings.restarts).rows
