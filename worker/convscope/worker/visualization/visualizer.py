"""Finds the images that features of a model like to see the most."""

from collections.abc import Callable, Iterable
from contextlib import closing

import keras

from convscope.worker.classification import Classifier
from convscope.worker.parallel import in_order
from convscope.worker.pulse import Pulse, no_pulse
from convscope.worker.settings import VisualizeSettings
from convscope.worker.threads import thread_count
from convscope.worker.visualization.chunks import chunks
from convscope.worker.visualization.climb import ChunkClimb
from convscope.worker.visualization.images import FeatureImage
from convscope.worker.visualization.target import Target

__all__ = ["Visualizer"]


class Visualizer:
    """Visualizes features of one model; keeps what it compiles, so that one serves many requests.

    An image is a function of the model's weights, the layer, the feature, the seed and the number of iterations, to the
    last bit on one kind of machine: not of what it is asked for with, nor of the number of threads.
    """

    def __init__(self, model: keras.Model) -> None:
        self._threads = thread_count()
        self._model = model
        self._classify = Classifier(model)
        self._targets: dict[str, Target] = {}

    def run(
        self,
        layer_name: str,
        features: Iterable[int],
        settings: VisualizeSettings,
        *,
        ready: Callable[[FeatureImage], None],
        pulse: Pulse = no_pulse,
    ) -> None:
        """Find the images of features of a layer, and hand each to `ready`, in rising order without duplicates.

        Raises ComputationError if the model has no such layer or the layer no such feature. What `ready` or `pulse`
        raise ends the run.
        """
        if layer_name not in self._targets:
            self._targets[layer_name] = Target(self._model, layer_name)
        target = self._targets[layer_name]
        climb = ChunkClimb(target, settings, self._classify)
        wanted = chunks(target.checked(features), target.rows)
        with closing(in_order(climb, wanted, threads=self._threads, pulse=pulse)) as finished:
            for images in finished:
                for image in images:
                    ready(image)
