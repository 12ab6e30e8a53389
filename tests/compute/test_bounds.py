"""No image exceeds its feature's bound, and for a convolution of the image itself one reaches it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from compute.ascents import Image
from convscope.worker.visualization.bounds import Bounds
from convscope.worker.visualization.graph import Graph


def bounds(model: keras.Model, layer: str) -> list[float | None]:
    step = Graph(model).by_name[layer]
    return Bounds(Graph(model), step).upper(range(step.shape[-1]))


def objectives(model: keras.Model, layer: str) -> Callable[[Any], Any]:
    """Return the function that gives all objectives of a layer, [n, features], of images."""
    target = model.get_layer(layer)
    activation, target.activation = target.activation, keras.activations.linear
    whole = keras.Model(model.inputs, target.output)
    without_bias = tf.zeros([]) if isinstance(target, layers.Dense) or not target.use_bias else target.bias.value

    def values(images: Any) -> Any:
        outputs = whole(images, training=False) - without_bias
        return tf.reduce_mean(outputs, axis=list(range(1, outputs.shape.rank - 1)))

    signature = [tf.TensorSpec([None, *model.input_shape[1:]])]
    compiled: Callable[[Any], Any] = tf.function(values, autograph=False).get_concrete_function(*signature)
    target.activation = activation  # it was away while the function was made
    return compiled


def climbed(model: keras.Model, layer: str, images: Image, steps: int = 40) -> Image:
    """Return objectives, [features], that an ascent with steps of the sign of the gradient reaches."""
    values = objectives(model, layer)
    features = values(tf.zeros([1, *images.shape[1:]])).shape[-1]
    found = np.full(features, -np.inf, np.float32)
    for feature in range(features):
        image = tf.constant(images)
        for step in range(steps):
            with tf.GradientTape() as tape:
                tape.watch(image)
                value = values(image)[:, feature]
            found[feature] = max(found[feature], value.numpy().max())
            rate = 0.3 * 0.9**step
            image = tf.clip_by_value(image + rate * tf.sign(tape.gradient(value, image)), 0.0, 1.0)
    return found


def scrambled(model: keras.Model, seed: int) -> keras.Model:
    """Give every weight a random value, so that biases and moving averages count."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        values = random.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.1 if "variance" in weight.name else values)
    return model


def branched() -> keras.Model:
    image = keras.Input((9, 8, 2))
    values = layers.Rescaling(-2.0, offset=0.5)(image)
    values = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first")(values)
    beside = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(values)
    beside = layers.ReLU(6.0)(layers.BatchNormalization()(beside))
    values = layers.Dropout(0.5)(layers.Add()([values, beside]))
    values = layers.ZeroPadding2D(1)(layers.Concatenate()([values, layers.LeakyReLU()(beside)]))
    values = layers.MaxPooling2D(2)(layers.Conv2D(5, 2, activation="tanh", name="second")(values))
    values = layers.Flatten()(layers.Activation("sigmoid")(values))
    values = layers.Dense(6, activation="elu", name="hidden")(values)
    return scrambled(keras.Model(image, layers.Dense(3, name="logits")(values)), seed=1)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return branched()


@pytest.mark.parametrize("layer", ["first", "depthwise", "second", "hidden", "logits"])
def test_no_image_exceeds_its_bound(model: keras.Model, layer: str) -> None:
    upper = np.array(bounds(model, layer), np.float64)
    images = np.random.default_rng(0).random((50, 9, 8, 2), np.float32)
    extremes = np.round(images)
    for tried in (images, extremes, np.zeros_like(images), np.ones_like(images)):
        assert np.all(objectives(model, layer)(tried).numpy() <= upper + 1e-4)
    reached = climbed(model, layer, images[:4])
    assert np.all(reached <= upper + 1e-4)
    # a bound that is far from everything says nothing
    assert np.all(upper - reached < 50)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_of_the_image_reaches_its_bound(padding: str, strides: int, dilation: int) -> None:
    image = keras.Input((11, 10, 3))
    convolution = layers.Conv2D(
        20, (3, 4), strides=strides, padding=padding, dilation_rate=dilation, activation="relu", name="conv"
    )
    model = scrambled(keras.Model(image, convolution(image)), seed=2)
    upper = bounds(model, "conv")
    values = objectives(model, "conv")
    gradient = np.zeros((20, 11, 10, 3), np.float32)
    for feature in range(20):
        with tf.GradientTape() as tape:
            middle = tf.fill([1, 11, 10, 3], 0.5)
            tape.watch(middle)
            value = values(middle)[0, feature]
        gradient[feature] = tape.gradient(value, middle)[0]
    optimum = values((gradient > 0).astype(np.float32)).numpy().diagonal()
    np.testing.assert_allclose(np.array(upper, np.float64), optimum, rtol=1e-5, atol=1e-6)


def test_the_bound_after_a_rescaling_is_exact_too(model: keras.Model) -> None:
    upper = np.array(bounds(model, "first"), np.float64)
    np.testing.assert_allclose(climbed(model, "first", np.full((1, 9, 8, 2), 0.5, np.float32)), upper, rtol=1e-4)


def test_a_bound_does_not_depend_on_what_is_asked_for(model: keras.Model) -> None:
    step = Graph(model).by_name["hidden"]
    together = Bounds(Graph(model), step).upper(range(6))
    assert Bounds(Graph(model), step).upper([4, 1, 4]) == [together[4], together[1], together[4]]


def test_layers_that_are_not_understood_have_no_bound() -> None:
    image = keras.Input((6, 6, 1))
    values = layers.Conv2D(2, 3, activation="gelu", name="first")(image)
    model = keras.Model(image, layers.Conv2D(3, 2, name="second")(layers.GaussianNoise(0.1)(values)))
    assert bounds(model, "second") == [None] * 3
    assert None not in bounds(model, "first")  # its own activation comes after the objective


def test_weights_that_are_no_numbers_have_no_bound(model: keras.Model) -> None:
    broken = branched()
    kernel = broken.get_layer("first").kernel
    kernel.assign(np.where(np.arange(4) == 2, np.nan, kernel.numpy()))
    assert bounds(broken, "first") == [None] * 4
    assert bounds(broken, "logits") == [None] * 3
