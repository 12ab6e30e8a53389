"""Quality of the class images that each preset makes of a trained network, measured in this process.

Call it in a separate process: threads are configured once in a process.
"""

from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from convscope.engine.data import load_dataset
from convscope.engine.settings import (
    ConvolutionSettings,
    DenseSettings,
    NetworkSettings,
    TrainSettings,
    VisualizeSettings,
)
from convscope.engine.training import train
from convscope.engine.visualization import Image, Visualizer
from convscope.planning import ROBUST, ROBUST_ITERATIONS, TUTORIAL, TUTORIAL_ITERATIONS, RenderSettings

__all__ = ["PRESETS", "class_images", "qualities"]

PRESETS: Final = {"tutorial": (TUTORIAL, TUTORIAL_ITERATIONS), "robust": (ROBUST, ROBUST_ITERATIONS)}

# What is visualized: the tutorial's network.
VISUALIZED: Final = TrainSettings(iterations=5000, seed=0)
# The judges: the same network from another start, and two other architectures.
JUDGES: Final = (
    TrainSettings(iterations=2000, seed=1),
    TrainSettings(
        iterations=2000,
        seed=2,
        learning_rate=5e-4,
        network=NetworkSettings(
            convolutions=(
                ConvolutionSettings(filters=12, kernel_size=3),
                ConvolutionSettings(filters=24, kernel_size=3),
            ),
            dense=(DenseSettings(units=64),),
        ),
    ),
    TrainSettings(
        iterations=2000,
        seed=3,
        learning_rate=5e-4,
        network=NetworkSettings(
            convolutions=(ConvolutionSettings(filters=16, kernel_size=7, activation="tanh"),),
            dense=(DenseSettings(units=64),),
        ),
    ),
)
CLASSES: Final = 10
# Images of each class, from different starts.
RESTARTS: Final = 5


def qualities() -> dict[str, tuple[float, float]]:
    """Return, for each preset, the share of class images that the judges recognize, and their total variation."""
    model, *judges = (train(load_dataset("datasets/mnist"), settings).model for settings in (VISUALIZED, *JUDGES))
    images = {name: class_images(model, *preset) for name, preset in PRESETS.items()}
    return {name: (_recognized(judges, pixels), _variation(pixels)) for name, pixels in images.items()}


def class_images(model: keras.Model, render: RenderSettings, iterations: int) -> npt.NDArray[np.float32]:
    """Return the best images of the classes, [CLASSES * RESTARTS, h, w, c], those of a class together."""
    settings = VisualizeSettings(iterations=iterations, restarts=RESTARTS, keep_all=True, render=render)
    images: list[Image] = []
    Visualizer(model).run("logits", range(CLASSES), settings, rows=10, ready=images.append)
    return np.stack([image.best.pixels for image in images])


def _recognized(judges: Sequence[keras.Model], images: npt.NDArray[np.float32]) -> float:
    classes = np.arange(len(images)) // RESTARTS
    return float(np.mean([np.argmax(_logits(judge, images), axis=1) == classes for judge in judges]))


def _logits(model: keras.Model, images: npt.NDArray[np.float32]) -> Any:
    return model(images, training=False).numpy()


def _variation(images: npt.NDArray[np.float32]) -> float:
    """Return the mean absolute difference of pixels beside or above each other."""
    differences = [np.abs(np.diff(images, axis=axis)).ravel() for axis in (1, 2)]
    return float(np.concatenate(differences).mean())
