"""What tests of visualizations share: a run as a mapping, and objectives by Keras alone."""

from collections.abc import Iterable

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.worker.settings import VisualizeSettings
from convscope.worker.visualization import FeatureImage, Visualizer

LAYERS = {"conv1": 16, "conv2": 36, "dense1": 128, "logits": 10}
Image = npt.NDArray[np.float32]


def run(
    visualizer: Visualizer,
    layer: str,
    features: Iterable[int],
    *,
    iterations: int = 30,
    seed: int = 0,
    trace: bool = False,
) -> dict[int, FeatureImage]:
    found: list[FeatureImage] = []
    settings = VisualizeSettings(iterations=iterations, seed=seed, trace=trace)
    visualizer.run(layer, features, settings, ready=found.append)
    assert {image.layer for image in found} <= {layer}
    return {image.feature: image for image in found}


def objective(model: keras.Model, layer: str, feature: int, image: tf.Tensor) -> tf.Tensor:
    """What the layer's feature makes of one image, [1, 28, 28, 1], by Keras alone."""
    target = model.get_layer(layer)
    inputs = image if target.input is model.inputs[0] else keras.Model(model.inputs[0], target.input)(image)
    if isinstance(target, keras.layers.Conv2D):
        return tf.reduce_mean(tf.nn.conv2d(inputs, target.kernel.value, 1, "SAME")[..., feature])
    return (inputs @ target.kernel.value + target.bias.value)[0, feature]
