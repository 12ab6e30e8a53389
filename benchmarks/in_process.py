"""Time the engine in this process, without the service.

Call these functions in a separate process: threads are configured once in a process.
"""

import time
from collections.abc import Iterator
from itertools import count
from typing import Literal

from convscope.engine.data import load_dataset
from convscope.engine.evaluation.evaluation import evaluate
from convscope.engine.models.keras_files import model_to_bytes
from convscope.engine.models.model_file import ModelFile
from convscope.engine.runtime.caches import Caches
from convscope.engine.settings import EvaluateSettings, TrainSettings, VisualizeSettings
from convscope.engine.training import train
from convscope.engine.visualization import Image, Visualizer

__all__ = ["evaluations", "train_steps_per_second", "visualize_seconds"]

# The layers that the yardstick visualizes, their numbers of features, and sizes of batches.
LAYERS = {"conv1": (16, 8), "conv2": (36, 9), "logits": (10, 5)}
# Steps of training before the visualization or evaluation, whose time does not depend on them.
STEPS_BEFORE = 100


def train_steps_per_second(precision: Literal["float32", "bfloat16"], steps: int) -> float:
    """Train the tutorial's network, and return the steps per second, compilation included."""
    outcome = train(load_dataset("datasets/mnist"), TrainSettings(precision=precision, iterations=steps))
    return steps / outcome.seconds


def visualize_seconds() -> tuple[float, float]:
    """Return the seconds of the first and the second call that visualize all 62 features in 30 iterations."""
    visualizer = Visualizer(train(load_dataset("datasets/mnist"), TrainSettings(iterations=STEPS_BEFORE)).model)
    return _visualize(visualizer), _visualize(visualizer)


def evaluations() -> Iterator[float]:
    """Yield the seconds of one evaluation of the 10,000 test images after another, once everything is compiled."""
    dataset = load_dataset("datasets/mnist")
    data = model_to_bytes(train(dataset, TrainSettings(iterations=STEPS_BEFORE)).model)
    model, split = ModelFile("", lambda: data, Caches()), dataset.test
    for number in count():
        started = time.perf_counter()
        evaluate(model, split.images, split.labels, EvaluateSettings(), classes=dataset.classes)
        if number:
            yield time.perf_counter() - started


def _visualize(visualizer: Visualizer) -> float:
    images: list[Image] = []
    started = time.perf_counter()
    for layer, (features, rows) in LAYERS.items():
        visualizer.run(layer, range(features), VisualizeSettings(), rows=rows, ready=images.append)
    seconds = time.perf_counter() - started
    assert len(images) == 62, f"{len(images)} images instead of 62"
    return seconds
