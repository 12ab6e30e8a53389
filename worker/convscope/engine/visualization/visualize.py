"""Visualization of a model in one call, with the same bits as a service's job."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import keras

from convscope.engine.errors import ComputationError
from convscope.engine.models.model_file import ModelFile
from convscope.engine.runtime.pulse import Pulse, no_pulse
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization.images import Image
from convscope.engine.visualization.objective.checks import without_features
from convscope.engine.visualization.objective.objectives import Objective
from convscope.engine.visualization.visualizer import Visualizer
from convscope.planning import LayerShape, objective_name

__all__ = ["Features", "Layers", "Objectives", "visualize"]

# None: all features; one; several.
Features: TypeAlias = int | Iterable[int] | None
# None: all layers; one by name; several; some with their features.
Layers: TypeAlias = str | Sequence[str] | Mapping[str, Features] | None
# Objectives, with the names of their images or without.
Objectives: TypeAlias = Mapping[str, Objective] | Sequence[Objective]
# Takes an image that is ready, its number from 1, and the number of all.
ImageProgress: TypeAlias = Callable[[Image, int, int], None]

DEFAULT: Final = VisualizeSettings()


def visualize(
    model: keras.Model | ModelFile,
    layers: Layers = None,
    settings: VisualizeSettings = DEFAULT,
    *,
    objectives: Objectives = (),
    memory: int | None = None,
    progress: ImageProgress = lambda *_: None,
    pulse: Pulse = no_pulse,
) -> list[Image]:
    """Find the images that maximize features of layers, and objectives.

    Args:
        model: leads from one image through layers to one number for each class.
        layers: which layers, and which of their features; by default every feature of every layer that has any, or
            none where there are objectives.
        settings: iterations, restarts, and how images are optimized.
        objectives: objectives to maximize besides.
        memory: bound of the memory of concurrent ascents, in bytes; by default half of what the machine allows.
        progress: called with each image that is ready, its number from 1, and the number of all.
        pulse: called several times a second; what it raises ends the run.

    Returns:
        The images, layers first and then objectives, in the order in which they are named; within a layer by feature
        and restart.

    Raises:
        ModelFileError: if the model is not made of layers between one image and one output.
        ComputationError: if the model lacks a layer or feature, or the machine the memory for one image.
    """
    visualizer = Visualizer(model, memory)
    named = _named(objectives, visualizer.layers)
    chosen = {} if layers is None and named else _chosen(layers, visualizer.layers)
    per_feature = settings.restarts if settings.keep_all else 1
    total = per_feature * (sum(map(len, chosen.values())) + len(named))
    images: list[Image] = []

    def ready(image: Image) -> None:
        images.append(image)
        progress(image, len(images), total)

    for layer, features in chosen.items():
        visualizer.run(layer, features, settings, ready=ready, pulse=pulse)
    for name, objective in named.items():
        visualizer.run_objective(name, objective, settings, ready=ready, pulse=pulse)
    return images


def _chosen(layers: Layers, shapes: Sequence[LayerShape]) -> dict[str, list[int]]:
    """Return the features of the chosen layers, in rising order."""
    counts = {layer.name: layer.feature_count for layer in shapes if layer.feature_count}
    if layers is None:
        layers = list(counts)
    if not isinstance(layers, Mapping):
        layers = dict.fromkeys([layers] if isinstance(layers, str) else layers)
    for name in layers:
        if name not in counts:
            raise without_features(name, counts)
    return {name: _numbers(features, counts[name]) for name, features in layers.items()}


def _numbers(features: Features, count: int) -> list[int]:
    if features is None:
        return list(range(count))
    return sorted({int(feature) for feature in (features if isinstance(features, Iterable) else [features])})


def _named(objectives: Objectives, layers: Sequence[LayerShape]) -> dict[str, Objective]:
    """Return objectives with their names."""
    if isinstance(objectives, Mapping):
        named = dict(objectives)
    else:
        named = {objective_name(index, ""): objective for index, objective in enumerate(objectives)}
    for layer in layers:
        if layer.name in named:
            raise ComputationError(f"{layer.name!r} is a layer's name; choose another for the objective")
    return named
