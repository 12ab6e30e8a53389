"""No image exceeds its feature's bound, and for a convolution of the image itself one reaches it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convscope.engine.models.graph import Graph
from convscope.engine.visualization import Feature, Layer, Neuron, Objective
from convscope.engine.visualization.objective.bounds import Bounds
from convscope.engine.visualization.target import layer_target, objective_target
from convscope.planning import RenderSettings
from support.ascents import Pixels


def bounds_of(model: keras.Model, layer: str) -> Bounds:
    graph = Graph(model)
    step = graph.by_name[layer]
    return Bounds(graph, step, lambda features: Feature(layer, features), step.shape[-1])


def bounds(model: keras.Model, layer: str) -> list[float | None]:
    return bounds_of(model, layer).upper(range(Graph(model).by_name[layer].shape[-1]))


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


def reached_objectives(model: keras.Model, layer: str, images: Pixels, steps: int = 40) -> Pixels:
    """Return the objectives, [features], that an ascent with steps of the sign of the gradient reaches."""
    values = objectives(model, layer)
    features = values(tf.zeros([1, *images.shape[1:]])).shape[-1]
    reached = np.full(features, -np.inf, np.float32)
    for feature in range(features):
        image = tf.constant(images)
        for step in range(steps):
            with tf.GradientTape() as tape:
                tape.watch(image)
                value = values(image)[:, feature]
            reached[feature] = max(reached[feature], value.numpy().max())
            rate = 0.3 * 0.9**step
            image = tf.clip_by_value(image + rate * tf.sign(tape.gradient(value, image)), 0.0, 1.0)
    return reached


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
    reached = reached_objectives(model, layer, images[:4])
    assert np.all(reached <= upper + 1e-4)
    # a bound that is far from everything says nothing
    assert np.all(upper - reached < 50)


def test_transposed_convolutions_and_minima_are_understood() -> None:
    image = keras.Input((5, 4, 2))
    values = layers.Conv2DTranspose(3, 2, strides=2, activation="relu", name="up")(image)
    values = layers.Minimum()([values, layers.Conv2D(3, 3, padding="same", name="beside")(values)])
    model = scrambled(keras.Model(image, layers.Conv2D(2, 3, name="last")(values)), seed=3)
    upper = np.array(bounds(model, "last"), np.float64)
    images = np.random.default_rng(0).random((100, 5, 4, 2), np.float32)
    for tried in (images, np.round(images)):
        assert np.all(objectives(model, "last")(tried).numpy() <= upper + 1e-4)
    assert np.all(reached_objectives(model, "last", images[:2], steps=20) <= upper + 1e-4)


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
    np.testing.assert_allclose(
        reached_objectives(model, "first", np.full((1, 9, 8, 2), 0.5, np.float32)), upper, rtol=1e-4
    )


def test_a_bound_does_not_depend_on_what_is_asked_for(model: keras.Model) -> None:
    together = bounds(model, "hidden")
    assert bounds_of(model, "hidden").upper([4, 1, 4]) == [together[4], together[1], together[4]]


def bound_of(model: keras.Model, objective: Objective) -> float | None:
    target = objective_target(Graph(model), "mine", objective, RenderSettings())
    (bound,) = target.upper_bounds([0])
    return bound


def test_whatever_is_linear_in_one_layer_has_a_bound(model: keras.Model) -> None:
    (zero, one, *_), (hidden, *_) = bounds(model, "first"), bounds(model, "hidden")
    assert zero is not None
    assert one is not None
    assert bound_of(model, Feature("first", 0)) == zero
    assert bound_of(model, Feature("hidden", 0)) == hidden
    assert bound_of(model, 2 * Feature("first", 0)) == pytest.approx(2 * zero)
    both, lowest = bound_of(model, Feature("first", 0) + Feature("first", 1)), bound_of(model, -Feature("first", 1))
    assert both is not None
    assert lowest is not None
    assert both <= zero + one + 1e-5
    difference = bound_of(model, Feature("first", 0) - Feature("first", 1))
    assert difference is not None
    assert max(zero - one, both - 2 * one) - 1e-5 <= difference <= zero + lowest + 1e-5
    neuron = bound_of(model, Neuron("first", 0))
    assert neuron is not None
    images = np.round(np.random.default_rng(3).random((200, 9, 8, 2), np.float32))
    features = keras.Model(model.inputs[0], model.get_layer("first").input)(images)
    first = model.get_layer("first")
    middle = tf.nn.conv2d(features, first.kernel.value, 2, "SAME")[:, 2, 2, 0]
    assert zero < middle.numpy().max() <= neuron + 1e-5


@pytest.mark.parametrize(
    "objective",
    [Feature("first", 0, post=True), Feature("first", 0) + Feature("hidden", 0), Layer("first")],
    ids=["after the activation", "two layers", "a square"],
)
def test_what_is_not_has_none(model: keras.Model, objective: Objective) -> None:
    assert bound_of(model, objective) is None


def test_layers_that_compute_with_less_than_float32_have_no_bound() -> None:
    image = keras.Input((6, 6, 1))
    half = layers.Conv2D(2, 3, activation="relu", name="half", dtype="mixed_bfloat16")(image)
    model = keras.Model(image, layers.Conv2D(2, 3, name="whole")(half))
    for layer in ("half", "whole"):
        target = layer_target(Graph(model), layer, RenderSettings())
        assert target.upper_bounds([1, 0]) == [None, None]


def test_layers_that_are_not_understood_have_no_bound() -> None:
    image = keras.Input((6, 6, 1))
    values = layers.Conv2D(2, 3, activation="gelu", name="first")(image)
    model = keras.Model(image, layers.Conv2D(3, 2, name="second")(layers.GaussianNoise(0.1)(values)))
    assert bounds(model, "second") == [None] * 3
    assert None not in bounds(model, "first")  # its own activation comes after the objective


def test_layers_that_use_nan_weights_have_no_bound(model: keras.Model) -> None:
    broken = branched()
    kernel = broken.get_layer("first").kernel
    kernel.assign(np.where(np.arange(4) == 2, np.nan, kernel.numpy()))
    assert [bound is None for bound in bounds(broken, "first")] == [False, False, True, False]
    assert bounds(broken, "logits") == [None] * 3
