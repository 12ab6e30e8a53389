"""The preset ``robust`` works on images of any kind, and its images are better than the tutorial's."""

import keras
import numpy as np
import pytest
from keras import layers

from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Image, Visualizer
from convscope.service.validation.presets import preset_render
from convscope.v1.render_pb2 import Preset
from convscope.worker.executor.convert_render import render_settings

PRESETS = {"tutorial": Preset.PRESET_TUTORIAL, "robust": Preset.PRESET_ROBUST}


def run(
    model: keras.Model, layer: str, features: range, preset: str, *, iterations: int | None = None, rows: int = 10
) -> list[Image]:
    render, usual = preset_render(PRESETS[preset])
    settings = VisualizeSettings(iterations=iterations or usual, seed=1, render=render_settings(render))
    images: list[Image] = []
    Visualizer(model).run(layer, features, settings, rows=rows, ready=images.append)
    return images


def variation(image: Image) -> float:
    pixels = image.best.pixels
    return float(np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean())


def random_model(shape: tuple[int, int, int]) -> keras.Model:
    keras.utils.set_random_seed(5)
    image = keras.Input(shape)
    values = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(image)
    values = layers.ReLU(6.0)(layers.BatchNormalization()(values))
    values = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(values)
    values = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 1, activation="relu", name="second")(values))
    return keras.Model(image, layers.Dense(4, name="logits")(values))


@pytest.mark.parametrize("shape", [(17, 23, 2), (96, 96, 3), (5, 40, 1)])
@pytest.mark.parametrize("layer", ["first", "depthwise", "logits"])
def test_any_shape_of_image(shape: tuple[int, int, int], layer: str) -> None:
    images = run(random_model(shape), layer, range(4), "robust", iterations=10, rows=4)
    for image in images:
        assert image.best.pixels.shape == shape
        assert 0 <= image.best.pixels.min() <= image.best.pixels.max() <= 1
        assert image.verdict.outcome == "normal"
        assert image.verdict.reached is not None
        assert 0 < image.verdict.reached <= 1


def test_class_images_are_smoother_and_as_strong(trained: keras.Model) -> None:
    tutorial, robust = (run(trained, "logits", range(10), preset) for preset in ("tutorial", "robust"))
    assert np.mean([variation(image) for image in robust]) < 0.75 * np.mean([variation(image) for image in tutorial])
    assert np.mean([image.best.objective for image in robust]) > 0.7 * np.mean([i.best.objective for i in tutorial])
    assert [image.best.predicted_class for image in robust] == list(range(10))


def test_filters_have_structure(trained: keras.Model) -> None:
    images = run(trained, "conv2", range(0, 36, 5), "robust")
    assert np.mean([np.ptp(image.best.pixels) for image in images]) > 0.8
