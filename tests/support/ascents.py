"""What tests of visualizations share: a run as a mapping, and objectives by Keras alone."""

import math
from collections.abc import Iterable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.models.network import describe
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Image, Visualizer
from convscope.engine.visualization.image.parameterization import make_parameterization
from convscope.engine.visualization.random_keys import RandomKey
from convscope.planning import PixelSettings, chunk_rows

LAYERS = {"conv1": 16, "conv2": 36, "dense1": 128, "logits": 10}
Pixels = npt.NDArray[np.float32]


class Model(Visualizer):
    """A visualizer with the number of rows that the service would plan."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(model)
        self._layers = {layer.name: layer for layer in describe(model)}

    def rows(self, layer: str, restarts: int = 1) -> int:
        values = sum(math.prod(layer.output_shape) for layer in self._layers.values())
        return chunk_rows(values, max(1, self._layers[layer].feature_count if layer in self._layers else 1) * restarts)


def run(
    visualizer: Model,
    layer: str,
    features: Iterable[int],
    *,
    iterations: int = 30,
    seed: int = 0,
    trace: bool = False,
) -> dict[int, Image]:
    images: list[Image] = []
    settings = VisualizeSettings(iterations=iterations, seed=seed, trace=trace)
    visualizer.run(layer, features, settings, rows=visualizer.rows(layer), ready=images.append)
    assert {image.item.target for image in images} <= {layer}
    return {image.item.feature: image for image in images}


def starting_images(shape: Sequence[int], *, seed: int, layer: str, features: Iterable[int]) -> Pixels:
    """Return the tutorial's starts, [features, *shape]."""
    items = [RandomKey(seed=seed, target=layer, feature=feature) for feature in features]
    return make_parameterization(PixelSettings(), shape, decorrelate=False).start(items)


def objective(model: keras.Model, layer: str, feature: int, image: tf.Tensor) -> tf.Tensor:
    """Return what the layer's feature makes of one image, [1, 28, 28, 1], by Keras alone."""
    target = model.get_layer(layer)
    inputs = image if target.input is model.inputs[0] else keras.Model(model.inputs[0], target.input)(image)
    if isinstance(target, keras.layers.Conv2D):
        return tf.reduce_mean(tf.nn.conv2d(inputs, target.kernel.value, 1, "SAME")[..., feature])
    return (inputs @ target.kernel.value + target.bias.value)[0, feature]
