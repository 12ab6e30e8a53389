from collections.abc import Iterable

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from convscope.worker.errors import ComputationError
from convscope.worker.keras_files import model_from_bytes
from convscope.worker.network import build_network
from convscope.worker.pace import Pace
from convscope.worker.settings import ConvolutionSettings, DenseSettings, NetworkSettings, VisualizeSettings
from convscope.worker.visualization import FeatureImage, Visualizer
from convscope.worker.visualization.chunks import chunk_size, chunks
from convscope.worker.visualization.starts import starting_images

LAYERS = {"conv1": 16, "conv2": 36, "dense1": 128, "logits": 10}
Image = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Visualizer:
    return Visualizer(trained)


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


def ascend(
    model: keras.Model, layer: str, feature: int, iterations: int, seed: int
) -> list[tuple[Image, float, Image]]:
    """The tutorial's loop, one image at a time; returns image, objective and gradient before each update and after."""
    image = starting_images((28, 28, 1), seed=seed, layer=layer, features=[feature])[0]
    way = []
    for _ in range(iterations + 1):
        with tf.GradientTape() as tape:
            watched = tf.constant(image[np.newaxis])
            tape.watch(watched)
            value = objective(model, layer, feature, watched)
        gradient = tape.gradient(value, watched).numpy()[0]
        way.append((image, float(value), gradient))
        image = np.clip(image + gradient / (gradient.std() + 1e-8), 0, 1).astype(np.float32)
    return way


@pytest.mark.parametrize(("layer", "feature"), [("conv1", 0), ("conv1", 15), ("conv2", 0), ("conv2", 35)])
def test_convolutions_agree_with_one_image_at_a_time(
    visualizer: Visualizer, trained: keras.Model, layer: str, feature: int
) -> None:
    assert_agrees(visualizer, trained, layer, feature)


@pytest.mark.parametrize(("layer", "feature"), [("dense1", 5), ("dense1", 127), ("logits", 2), ("logits", 9)])
def test_units_and_classes_agree_with_one_image_at_a_time(
    visualizer: Visualizer, trained: keras.Model, layer: str, feature: int
) -> None:
    assert_agrees(visualizer, trained, layer, feature)


def assert_agrees(visualizer: Visualizer, trained: keras.Model, layer: str, feature: int) -> None:
    way = ascend(trained, layer, feature, 30, seed=4)
    for iteration in (1, 2, 3):
        found = run(visualizer, layer, [feature], iterations=iteration, seed=4)[feature].final
        # a gradient of nearly nil may go either way: all but a few pixels agree
        assert np.mean(np.abs(found.pixels - way[iteration][0]) < 1e-4) > 0.995
        assert found.objective == pytest.approx(way[iteration][1], rel=1e-3, abs=1e-4)
    final = run(visualizer, layer, [feature], iterations=30, seed=4)[feature].final
    assert final.objective == pytest.approx(way[30][1], rel=0.05)


def test_the_trace_tells_each_iteration_before_its_update(visualizer: Visualizer, trained: keras.Model) -> None:
    way = ascend(trained, "logits", 2, 3, seed=0)[:3]
    image = run(visualizer, "logits", [2], iterations=3, trace=True)[2]
    assert image.trace is not None
    shares = [tf.nn.softmax(trained(before[np.newaxis]))[0].numpy() for before, _, _ in way]
    expected = {
        "predicted_class": [share.argmax() for share in shares],
        "probability": [share.max() for share in shares],
        "gradient_min": [gradient.min() for _, _, gradient in way],
        "gradient_max": [gradient.max() for _, _, gradient in way],
        "step_size": [1 / (gradient.std() + 1e-8) for _, _, gradient in way],
        "objective": [value for _, value, _ in way],
    }
    for name, values in expected.items():
        traced = getattr(image.trace, name)
        assert traced.dtype == (np.int32 if name == "predicted_class" else np.float32)
        np.testing.assert_allclose(traced, values, rtol=2e-3, err_msg=name)


@pytest.mark.parametrize("layer", LAYERS)
def test_tracing_changes_no_bit(visualizer: Visualizer, layer: str) -> None:
    plain, traced = (run(visualizer, layer, range(3), iterations=12, trace=trace) for trace in (False, True))
    assert_same(plain, traced)


def test_conv1_reaches_the_closed_form_wherever_it_saturates(visualizer: Visualizer, trained: keras.Model) -> None:
    found = run(visualizer, "conv1", range(16), iterations=30)
    matching, arriving = [], []
    for feature, image in found.items():
        ((_, _, gradient),) = ascend(trained, "conv1", feature, 0, seed=0)
        optimum = (gradient > 0).astype(np.float32)
        # in 30 steps of 1 / std: pixels with enough gradient to cross the range must have arrived
        arrives = np.abs(gradient) * 30 / (gradient.std() + 1e-8) > 0.56
        assert np.array_equal(image.final.pixels[arrives], optimum[arrives])
        arriving.append(arrives.mean())
        matching.append(float(np.mean(image.final.pixels == optimum)))
    assert np.mean(arriving) > 0.9
    assert sum(share == 1 for share in matching) >= 8


@pytest.mark.parametrize("layer", LAYERS)
def test_company_and_order_change_no_bit(visualizer: Visualizer, trained: keras.Model, layer: str) -> None:
    everything = run(visualizer, layer, range(LAYERS[layer]), iterations=12, seed=7)
    assert list(everything) == list(range(LAYERS[layer]))
    some = run(visualizer, layer, [9, 3, 9, 2], iterations=12, seed=7)
    assert list(some) == [2, 3, 9]
    assert_same(some, everything)
    assert_same(run(Visualizer(trained), layer, [LAYERS[layer] - 1], iterations=12, seed=7), everything)


def test_threads_and_calls_change_no_bit(
    visualizer: Visualizer, trained: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(visualizer, "conv2", range(36), iterations=12)
    monkeypatch.setattr("convscope.worker.visualization.visualizer.thread_count", lambda: 1)
    monkeypatch.setattr(Pace, "next", lambda _, remaining: min(remaining, 5))
    assert_same(run(Visualizer(trained), "conv2", range(36), iterations=12), expected)


def assert_same(some: dict[int, FeatureImage], others: dict[int, FeatureImage]) -> None:
    for feature, image in some.items():
        other = others[feature]
        for mine, its in ((image.final, other.final), (image.best, other.best)):
            assert mine.pixels.tobytes() == its.pixels.tobytes()
            assert (mine.objective, mine.probability, mine.iteration) == (its.objective, its.probability, its.iteration)


def test_another_seed_or_feature_gives_another_start() -> None:
    def start(seed: int, layer: str, feature: int) -> bytes:
        return starting_images((28, 28, 1), seed=seed, layer=layer, features=[feature]).tobytes()

    assert start(2**64 - 1, "conv1", 0) == start(2**64 - 1, "conv1", 0)
    assert len({start(0, "conv1", 0), start(1, "conv1", 0), start(0, "conv2", 0), start(0, "conv1", 1)}) == 4


def test_starts_are_grey_noise() -> None:
    images = starting_images((28, 28, 1), seed=0, layer="conv1", features=range(20))
    assert images.dtype == np.float32
    assert images.min() >= np.float32(0.45)
    assert images.max() <= np.float32(0.55)
    assert images.mean() == pytest.approx(0.5, abs=1e-3)


def test_another_seed_gives_another_image(visualizer: Visualizer) -> None:
    first, second = (run(visualizer, "conv2", [1], seed=seed)[1].final.pixels for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_figures_are_those_of_the_very_image(visualizer: Visualizer, trained: keras.Model) -> None:
    for image in run(visualizer, "logits", range(10), iterations=30).values():
        for found in (image.final, image.best):
            logits = trained(found.pixels[np.newaxis])[0].numpy()
            assert found.objective == pytest.approx(logits[image.feature], rel=1e-4)
            assert found.predicted_class == logits.argmax()
            assert found.probability == pytest.approx(tf.nn.softmax(logits).numpy().max(), rel=1e-4)
            assert found.pixels.shape == (28, 28, 1)
            assert 0 <= found.pixels.min() <= found.pixels.max() <= 1


def test_the_objective_rises_and_the_best_is_kept(visualizer: Visualizer) -> None:
    for layer, count in LAYERS.items():
        for image in run(visualizer, layer, range(min(count, 10)), iterations=8, trace=True).values():
            assert image.trace is not None
            seen = [*image.trace.objective.tolist(), image.final.objective]
            assert image.best.objective == max(seen)
            assert image.best.iteration == seen.index(max(seen))
            assert image.best.objective > seen[0]
            assert image.final.iteration == 8


@pytest.mark.parametrize("layer_name", ["conv2", "logits"])
def test_a_gradient_that_is_no_number_spoils_no_other_image(trained_file: bytes, layer_name: str) -> None:
    model = model_from_bytes(trained_file)
    healthy = run(Visualizer(model), layer_name, range(10), iterations=5)
    layer = model.get_layer(layer_name)
    kernel = layer.kernel.numpy()
    kernel[..., 0, 3] = np.inf
    layer.kernel.assign(kernel)
    found = run(Visualizer(model), layer_name, range(10), iterations=5)
    assert np.isnan(found[3].final.objective)
    assert np.isnan(found[3].best.objective)
    start = starting_images((28, 28, 1), seed=0, layer=layer_name, features=[3])[0]
    assert np.array_equal(found[3].final.pixels, start)
    assert np.array_equal(found[3].best.pixels, start)
    for feature in set(range(10)) - {3}:
        assert found[feature].final.pixels.tobytes() == healthy[feature].final.pixels.tobytes()


def test_a_visualizer_follows_the_models_weights(trained_file: bytes) -> None:
    model = model_from_bytes(trained_file)
    visualizer = Visualizer(model)
    before = run(visualizer, "conv2", [0], iterations=3)[0]
    model.get_layer("conv1").kernel.assign(-model.get_layer("conv1").kernel.value)
    after = run(visualizer, "conv2", [0], iterations=3)[0]
    assert not np.array_equal(before.final.pixels, after.final.pixels)
    assert_same({0: after}, run(Visualizer(model), "conv2", [0], iterations=3))


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
        image = run(Visualizer(model), layer.name, [0, 2], iterations=1, trace=True)[2]
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
    visualizer = Visualizer(model)
    assert list(run(visualizer, "left", [0], iterations=2)) == [0]
    found = run(visualizer, "classes", [1], iterations=4)[1].final
    shares = model(found.pixels[np.newaxis])[0].numpy()
    assert found.predicted_class == shares.argmax()
    assert found.probability == pytest.approx(shares.max(), rel=1e-5)
    assert found.objective == pytest.approx(float(objective(model, "classes", 1, found.pixels[np.newaxis])), rel=1e-4)


@pytest.mark.parametrize("layer", ["pool1", "flatten", "conv3", ""])
def test_a_layer_without_features_is_refused_with_those_that_have(visualizer: Visualizer, layer: str) -> None:
    with pytest.raises(ComputationError, match=f"no layer '{layer}' .*conv1, conv2, dense1, logits"):
        run(visualizer, layer, [0])


@pytest.mark.parametrize("feature", [-1, 16])
def test_a_feature_that_the_layer_lacks_is_refused(visualizer: Visualizer, feature: int) -> None:
    with pytest.raises(ComputationError, match=f"'conv1' has no feature {feature}; it has 0 to 15"):
        run(visualizer, "conv1", [0, feature])


def test_a_pulse_that_raises_ends_a_long_ascent(visualizer: Visualizer) -> None:
    pulses: list[None] = []

    def pulse() -> None:
        pulses.append(None)
        if len(pulses) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualizer.run(
            "dense1", range(128), VisualizeSettings(iterations=10_000_000), ready=lambda _: None, pulse=pulse
        )


def test_what_ready_raises_ends_the_run(visualizer: Visualizer) -> None:
    found: list[FeatureImage] = []

    def ready(image: FeatureImage) -> None:
        found.append(image)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visualizer.run("dense1", range(128), VisualizeSettings(iterations=2), ready=ready)
    assert len(found) == 1


@pytest.mark.parametrize("features", [1, 2, 10, 16, 36, 128, 1000])
def test_chunks_are_never_single_nor_large(trained: keras.Model, features: int) -> None:
    size = chunk_size(trained, features)
    assert 2 <= size <= 16
    groups = chunks(range(features), size)
    assert [feature for group in groups for feature in group] == list(range(features))
    assert all(len({feature // size for feature in group}) == 1 for group in groups)
