"""Any functional model: nested ones, layers of other kinds, gradients that are NaN."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convscope.engine.errors import ModelFileError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.models.graph import Graph
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.models.network import describe
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Direction, Feature, Image, Neuron, Visualizer
from convscope.engine.visualization.objective.subnetwork import Subnetwork
from convscope.engine.visualization.objective.taps import Tap
from convscope.planning import (
    AdamSettings,
    FourierSettings,
    RegularizerSettings,
    RenderSettings,
    TransformSettings,
)
from support.ascents import Model, run

# Everything on.
ROBUST = RenderSettings(
    parameterization=FourierSettings(),
    decorrelate=True,
    transforms=TransformSettings(pad=0.1, jitter=0.1, scale=0.1, rotate=5, noise=0.02),
    regularizers=RegularizerSettings(l1=0.1, l2=0.1, total_variation=0.1, blur=0.1),
    optimizer=AdamSettings(),
    rescue=4,
)
# The same without what holds images to grey.
FREE = replace(ROBUST, regularizers=RegularizerSettings())


@pytest.fixture(scope="module")
def nested() -> keras.Model:
    """A model with a model in a model, made for images of any size, and layers of many kinds."""
    keras.utils.set_random_seed(1)
    inner = keras.Sequential([layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep"), layers.ReLU(6, name="six")])
    any_size = keras.Input((None, None, 6))
    middle = layers.Add(name="add")([layers.SeparableConv2D(6, 3, padding="same", name="apart")(any_size), any_size])
    outer = keras.Model(any_size, layers.BatchNormalization(name="norm")(middle), name="outer")
    image = keras.Input((12, 11, 3), name="image")
    inner.name = "inner"
    values = layers.ZeroPadding2D(name="pad")(image)
    values = outer(inner(values))
    values = layers.Conv2DTranspose(4, 2, strides=2, activation="relu", name="up")(values)
    values = layers.Conv2D(4, 3, groups=2, activation="relu6", name="grouped")(layers.Dropout(0.5, name="drop")(values))
    values = layers.GlobalAveragePooling2D(name="average")(values)
    return keras.Model(image, layers.Activation("softmax", name="shares")(layers.Dense(3, name="scores")(values)))


def test_every_layer_of_a_nested_model_is_described(nested: keras.Model) -> None:
    described = describe(nested)
    assert [(layer.name, layer.kind, layer.output_shape, layer.feature_count) for layer in described] == [
        ("pad", "other", (14, 13, 3), 0),
        ("inner/deep", "convolution", (12, 11, 6), 6),
        ("inner/six", "other", (12, 11, 6), 0),
        ("outer/apart", "convolution", (12, 11, 6), 6),
        ("outer/add", "other", (12, 11, 6), 0),
        ("outer/norm", "other", (12, 11, 6), 0),
        ("up", "convolution", (24, 22, 4), 4),
        ("drop", "other", (24, 22, 4), 0),
        ("grouped", "convolution", (22, 20, 4), 4),
        ("average", "pooling", (4,), 0),
        ("scores", "logits", (3,), 3),
        ("shares", "other", (3,), 0),
    ]
    assert sum(layer.parameter_count for layer in described) == sum(
        int(np.prod(weight.shape)) for weight in nested.trainable_weights
    )
    graph = {layer.name: (layer.op, layer.inputs) for layer in described}
    assert graph["pad"] == ("ZeroPadding2D", ("",))
    assert graph["outer/add"] == ("Add", ("outer/apart", "inner/six"))
    assert graph["up"] == ("Conv2DTranspose", ("outer/norm",))


@pytest.mark.parametrize("render", [RenderSettings(), ROBUST], ids=["tutorial", "robust"])
def test_every_feature_layer_of_a_nested_model_rises(nested: keras.Model, render: RenderSettings) -> None:
    visualizer = Visualizer(model_from_bytes(model_to_bytes(nested)))
    for layer in [layer for layer in describe(nested) if layer.feature_count]:
        images: list[Image] = []
        settings = VisualizeSettings(iterations=6, trace=True, render=render)
        visualizer.run(layer.name, range(layer.feature_count), settings, rows=4, ready=images.append)
        assert [image.item.feature for image in images] == list(range(layer.feature_count))
        for image in images:
            assert image.trace is not None
            assert image.best.pixels.shape == (12, 11, 3)
            assert 0 <= image.best.pixels.min() <= image.best.pixels.max() <= 1
            assert image.verdict.outcome == "normal", (layer.name, image.verdict)
            assert image.best.objective > image.trace.objective[0]
        shares = nested(np.stack([image.best.pixels for image in images])).numpy()
        assert [image.best.probability for image in images] == pytest.approx(shares.max(axis=1), rel=1e-3)


def test_the_objective_of_a_logit_is_before_a_softmax_of_its_own_layer(nested: keras.Model) -> None:
    image = run(Model(nested), "scores", [1], iterations=3)[1].best
    logits = keras.Model(nested.inputs[0], nested.get_layer("scores").output)(image.pixels[np.newaxis])
    assert image.objective == pytest.approx(float(logits[0, 1]), rel=1e-4)


@pytest.mark.parametrize(
    "maker",
    [layers.ReLU, layers.LeakyReLU, layers.ELU, layers.PReLU, layers.Softmax, lambda: layers.Activation("tanh")],
)
def test_before_a_layer_that_is_nothing_but_an_activation_is_what_it_reads(maker: object) -> None:
    image = keras.Input((4, 4, 2))
    activation = maker()  # type: ignore[operator]  # a layer's class
    before = layers.Rescaling(3.0, offset=-2.0)(image)
    model = keras.Model(image, layers.Flatten()(activation(before)))
    tap = Tap(layer=activation.name)
    images = np.random.default_rng(0).random((1, 4, 4, 2), np.float32)
    np.testing.assert_allclose(Subnetwork(Graph(model), [tap]).network()(images)[tap], 3 * images - 2, rtol=1e-5)


def test_a_dense_layer_over_space_adds_its_bias_at_every_position() -> None:
    image = keras.Input((5, 4, 2))
    dense = layers.Dense(3, name="each")
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(dense(image))))
    dense.set_weights([np.array([[1, 2, 3], [-1, 0.5, 1]], np.float32), np.array([10, 20, -30], np.float32)])
    outputs = keras.Model(image, dense.output)
    images: list[Image] = []
    for objective in (Feature("each", 1), Neuron("each", 2, 1, 1), Direction("each", (1.0, 2.0, -1.0))):
        Visualizer(model).run_objective("mine", objective, VisualizeSettings(iterations=1), rows=2, ready=images.append)
    values = outputs(np.stack([image.final.pixels for image in images])).numpy()
    expected = [values[0, ..., 1].mean(), values[1, 1, 1, 2], (values[2] @ [1, 2, -1]).mean()]
    np.testing.assert_allclose([image.final.objective for image in images], expected, rtol=1e-5)


@pytest.mark.parametrize("last", ["mixed_bfloat16", "float32"])
def test_models_that_compute_in_half_precision_rise(last: str) -> None:
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 1))
    half = layers.Conv2D(3, 3, activation="relu", name="half", dtype="mixed_bfloat16")(image)
    scores = layers.Dense(2, name="scores", dtype=last)(layers.GlobalAveragePooling2D()(half))
    visualizer = Visualizer(keras.Model(image, scores))
    images: list[Image] = []
    for layer in ("half", "scores"):
        visualizer.run(layer, [0, 1], VisualizeSettings(iterations=4, trace=True), rows=2, ready=images.append)
    assert [image.verdict.outcome for image in images] == ["normal"] * 4
    assert [image.verdict.upper_bound for image in images] == [None] * 4
    shares = [image.trace.probability for image in images if image.trace]
    assert [share is not None and share.dtype for share in shares] == [np.float32] * 4


class Breaking(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Gives NaN where the mean of an image is above 0.6."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(inputs, axis=[1, 2, 3], keepdims=True)
        return tf.where(mean > 0.6, np.float32(np.nan), inputs)


@pytest.mark.parametrize("render", [RenderSettings(), FREE], ids=["tutorial", "robust"])
def test_an_image_that_breaks_stops_alone_with_its_iteration_and_the_best_before(render: RenderSettings) -> None:
    """Feature 0 makes its image bright, which breaks it; feature 1 makes it dark."""
    image = keras.Input((6, 6, 1))
    convolution = layers.Conv2D(2, 1, name="both", use_bias=False)
    outputs = layers.GlobalAveragePooling2D()(convolution(Breaking()(image)))
    model = keras.Model(image, layers.Dense(2, name="scores")(outputs))
    convolution.set_weights([np.array([[[[1, -1]]]], np.float32)])
    images: list[Image] = []
    settings = VisualizeSettings(iterations=60, render=render, trace=True)
    Visualizer(model).run("both", [0, 1], settings, rows=2, ready=images.append)
    broken, sound = images
    assert broken.verdict.outcome == "not_a_number"
    assert broken.verdict.iteration == broken.final.iteration
    assert 0 < broken.final.iteration < 60
    assert broken.trace is not None
    assert np.isfinite(broken.trace.objective[: broken.final.iteration]).all()
    assert np.isnan(broken.trace.objective[broken.final.iteration :]).all()
    assert broken.best.iteration < broken.final.iteration
    assert broken.best.objective == max(broken.trace.objective[: broken.final.iteration])
    assert broken.best.objective == pytest.approx(broken.best.pixels.mean(), rel=1e-4)
    assert sound.verdict.iteration is None
    assert sound.final.iteration == 60
    assert sound.best.objective > broken.trace.objective[0] * -1


class Steep(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Gives the image; the gradient is NaN where the mean of an image is above 0.6."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        bright = tf.reduce_mean(inputs, axis=[1, 2, 3], keepdims=True) > 0.6

        def forward(values: tf.Tensor) -> tf.Tensor:
            return values, lambda upstream: tf.where(bright, np.float32(np.nan), upstream)

        return tf.custom_gradient(forward)(inputs)


def test_a_nan_gradient_stops_its_image_alone() -> None:
    def computed(first: layers.Layer) -> list[Image]:
        image = keras.Input((6, 6, 1))
        convolution = layers.Conv2D(2, 1, name="both", use_bias=False)
        outputs = layers.GlobalAveragePooling2D()(convolution(first(image)))
        model = keras.Model(image, layers.Dense(2, name="scores")(outputs))
        convolution.set_weights([np.array([[[[1, -1]]]], np.float32)])
        images: list[Image] = []
        settings = VisualizeSettings(iterations=40)
        Visualizer(model).run("both", [0, 1], settings, rows=2, ready=images.append)
        return images

    broken, beside = computed(Steep())
    whole, alone = computed(layers.Identity())
    assert broken.verdict.outcome == "not_a_number"
    assert broken.verdict.iteration == broken.final.iteration < whole.final.iteration == 40
    assert np.isfinite(broken.best.objective)
    assert beside.verdict.outcome == alone.verdict.outcome == "constant"
    assert beside.final.pixels.tobytes() == alone.final.pixels.tobytes()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: keras.Sequential([layers.Dense(2)]), "neither a functional model nor a built Sequential"),
        (lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)]), r"shape \(4,\); it must be"),
        (lambda: keras.Sequential([keras.Input((None, 4, 1)), layers.Conv2D(2, 1)]), "all fixed"),
        (lambda: keras.Model(image := keras.Input((4, 4, 1)), image), "no layers"),
    ],
)
def test_an_opaque_model_is_refused(model: object, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        describe(model())  # type: ignore[operator]  # a model's


def test_probabilities_are_found_behind_whatever_softmax() -> None:
    image = keras.Input((4, 4, 1))
    scores = layers.Dense(3, name="scores")
    plain = keras.Model(image, scores(layers.Flatten()(image)))
    pixels = np.random.default_rng(0).random((2, 4, 4, 1), np.float32)
    expected = tf.nn.softmax(plain(pixels)).numpy().max(axis=1)
    nesting = keras.Sequential([layers.Softmax()])
    for model in (
        plain,
        keras.Model(image, layers.Softmax()(plain.output)),
        keras.Model(image, nesting(plain.output)),
        keras.Model(image, layers.Activation("softmax")(plain.output)),
    ):
        np.testing.assert_allclose(Classifier(model)(pixels)[1], expected, rtol=1e-5)
    with pytest.raises(ModelFileError, match=r"shape \(4, 4, 1\)"):
        Classifier(keras.Model(image, layers.ReLU()(image)))


def test_a_mobilenet_needs_no_setting() -> None:
    model = keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, weights=None, classes=5)
    described = {layer.name: layer for layer in describe(model)}
    assert sum(layer.feature_count for layer in described.values()) == 7045
    visualizer = Model(model)
    for layer in ("Conv1", "block_3_depthwise", "predictions"):
        image = run(visualizer, layer, [3], iterations=3)[3]
        assert image.verdict.outcome == "normal"
