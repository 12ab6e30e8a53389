"""Visualizations of networks unlike the tutorial's, and requests that cannot be met."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.engine.errors import ComputationError
from convscope.engine.models.network import build_network
from convscope.engine.settings import ConvolutionSettings, DenseSettings, NetworkSettings, VisualizeSettings
from convscope.engine.visualization import Image
from convscope.worker.executor import convert
from support.ascents import Model, objective, run, starting_images


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Model:
    return Model(trained)


@pytest.mark.parametrize(
    ("image_shape", "network"),
    [
        # stacked convolutions, even kernels, sizes that blocks do not divide
        (
            (9, 14, 1),
            NetworkSettings(
                convolutions=(
                    ConvolutionSettings(filters=3, kernel_size=4, pool_size=1, activation="tanh"),
                    ConvolutionSettings(filters=5, kernel_size=2, pool_size=1, activation="elu"),
                ),
                dense=(),
            ),
        ),
        # colour
        (
            (10, 7, 3),
            NetworkSettings(
                convolutions=(ConvolutionSettings(filters=4, kernel_size=7),), dense=(DenseSettings(units=3),)
            ),
        ),
        # more channels than the blocked gradient is for; a kernel larger than the image
        ((6, 6, 5), NetworkSettings(convolutions=(ConvolutionSettings(filters=3, kernel_size=9),), dense=())),
        # no convolution
        ((4, 4, 1), NetworkSettings(convolutions=(), dense=(DenseSettings(units=3, activation="sigmoid"),))),
    ],
)
def test_networks_of_other_shapes(image_shape: tuple[int, int, int], network: NetworkSettings) -> None:
    model = build_network(network, image_shape=image_shape, classes=3, learning_rate=1e-3, seed=1)
    targets = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    for layer in targets:
        image = run(Model(model), layer.name, [0, 2], iterations=1, trace=True)[2]
        start = starting_images(image_shape, seed=0, layer=layer.name, features=[2])
        with tf.GradientTape() as tape:
            watched = tf.constant(start)
            tape.watch(watched)
            value = objective(model, layer.name, 2, watched)
        gradient = tape.gradient(value, watched).numpy()[0]
        assert image.trace is not None
        assert image.trace.objective[0] == pytest.approx(float(value), rel=1e-3, abs=1e-6)
        moved = np.clip(start[0] + gradient / (gradient.std() + 1e-8), 0, 1)
        np.testing.assert_allclose(image.final.pixels, moved, atol=1e-3)


def test_a_layer_with_one_feature_and_branches_and_a_softmax() -> None:
    image = keras.Input((8, 8, 1))
    left = keras.layers.Conv2D(1, 3, strides=2, padding="valid", activation="relu", name="left")(image)
    right = keras.layers.Conv2D(2, 3, strides=2, padding="valid", name="right")(image)
    flat = keras.layers.Flatten()(keras.layers.Concatenate()([left, right]))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="classes")(flat))
    visualizer = Model(model)
    assert list(run(visualizer, "left", [0], iterations=2)) == [0]
    final = run(visualizer, "classes", [1], iterations=4)[1].final
    shares = model(final.pixels[np.newaxis])[0].numpy()
    assert final.predicted_class == shares.argmax()
    assert final.probability == pytest.approx(shares.max(), rel=1e-5)
    assert final.objective == pytest.approx(float(objective(model, "classes", 1, final.pixels[np.newaxis])), rel=1e-4)


@pytest.mark.parametrize("restarts", [1, 2])
def test_images_of_a_network_without_classes_are_taken_for_none(restarts: int) -> None:
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, name="conv")(image))
    settings = VisualizeSettings(iterations=3, trace=True, frames=2, restarts=restarts)
    images: list[Image] = []
    Model(model).run("conv", [0, 1], settings, ready=images.append)
    assert [shown.final.iteration for shown in images] == [3, 3]
    for shown in images:
        sent = convert.image(shown)
        assert (len(sent.frames), sent.trace.HasField("objective")) == (2, True)
        for message in (sent.best, sent.final, *sent.frames, sent.trace):
            assert {field.name for field, _ in message.ListFields()}.isdisjoint({"predicted_class", "probability"})


@pytest.mark.parametrize("layer", ["pool1", "flatten", "conv3", ""])
def test_a_layer_without_features_is_refused_with_those_that_have(visualizer: Model, layer: str) -> None:
    with pytest.raises(ComputationError, match=f"no layer '{layer}' .*conv1, conv2, dense1, logits"):
        run(visualizer, layer, [0])


@pytest.mark.parametrize("feature", [-1, 16])
def test_a_feature_that_the_layer_lacks_is_refused(visualizer: Model, feature: int) -> None:
    with pytest.raises(ComputationError, match=f"'conv1' has no feature {feature};.* 0 to 15"):
        run(visualizer, "conv1", [0, feature])


def test_a_pulse_that_raises_ends_a_long_ascent(visualizer: Model) -> None:
    pulses: list[None] = []

    def pulse() -> None:
        pulses.append(None)
        if len(pulses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualizer.run(
            "dense1", range(128), VisualizeSettings(iterations=10_000_000), rows=16, ready=lambda _: None, pulse=pulse
        )


def test_what_ready_raises_ends_the_run(visualizer: Model) -> None:
    images: list[Image] = []

    def ready(image: Image) -> None:
        images.append(image)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualizer.run("dense1", range(128), VisualizeSettings(iterations=2), rows=16, ready=ready)
    assert len(images) == 1
