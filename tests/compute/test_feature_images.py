"""Images of features: their algorithm, and that nothing but the request affects their bits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.engine.models.keras_files import model_from_bytes
from convscope.engine.runtime.pace import Pace
from convscope.engine.visualization import Image
from support.ascents import LAYERS, Model, Pixels, objective, run, starting_images


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Model:
    return Model(trained)


def ascend(
    model: keras.Model, layer: str, feature: int, iterations: int, seed: int
) -> list[tuple[Pixels, float, Pixels]]:
    """Run the tutorial's loop on one image; return image, objective and gradient before each update and at the end."""
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
    visualizer: Model, trained: keras.Model, layer: str, feature: int
) -> None:
    assert_agrees(visualizer, trained, layer, feature)


@pytest.mark.parametrize(("layer", "feature"), [("dense1", 5), ("dense1", 127), ("logits", 2), ("logits", 9)])
def test_units_and_classes_agree_with_one_image_at_a_time(
    visualizer: Model, trained: keras.Model, layer: str, feature: int
) -> None:
    assert_agrees(visualizer, trained, layer, feature)


def assert_agrees(visualizer: Model, trained: keras.Model, layer: str, feature: int) -> None:
    way = ascend(trained, layer, feature, 30, seed=4)
    for iteration in (1, 2, 3):
        final = run(visualizer, layer, [feature], iterations=iteration, seed=4)[feature].final
        # a gradient of nearly 0 may have either sign: all but a few pixels agree
        assert np.mean(np.abs(final.pixels - way[iteration][0]) < 1e-4) > 0.995
        assert final.objective == pytest.approx(way[iteration][1], rel=1e-3, abs=1e-4)
    last = run(visualizer, layer, [feature], iterations=30, seed=4)[feature].final
    assert last.objective == pytest.approx(way[30][1], rel=0.05)


def test_the_trace_tells_each_iteration_before_its_update(visualizer: Model, trained: keras.Model) -> None:
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
def test_tracing_changes_no_bit(visualizer: Model, layer: str) -> None:
    plain, traced = (run(visualizer, layer, range(3), iterations=12, trace=trace) for trace in (False, True))
    assert_same(plain, traced)


def test_conv1_reaches_the_closed_form_wherever_it_saturates(visualizer: Model, trained: keras.Model) -> None:
    images = run(visualizer, "conv1", range(16), iterations=30)
    matching, arriving = [], []
    for feature, image in images.items():
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
def test_company_and_order_change_no_bit(visualizer: Model, trained: keras.Model, layer: str) -> None:
    everything = run(visualizer, layer, range(LAYERS[layer]), iterations=12, seed=7)
    assert list(everything) == list(range(LAYERS[layer]))
    some = run(visualizer, layer, [9, 3, 9, 2], iterations=12, seed=7)
    assert list(some) == [2, 3, 9]
    assert_same(some, everything)
    assert_same(run(Model(trained), layer, [LAYERS[layer] - 1], iterations=12, seed=7), everything)


def test_threads_and_calls_change_no_bit(
    visualizer: Model, trained: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(visualizer, "conv2", range(36), iterations=12)
    monkeypatch.setattr("convscope.engine.visualization.visualizer.thread_count", lambda: 1)
    monkeypatch.setattr(Pace, "next", lambda _, remaining: min(remaining, 5))
    assert_same(run(Model(trained), "conv2", range(36), iterations=12), expected)


def assert_same(some: dict[int, Image], others: dict[int, Image]) -> None:
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


def test_another_seed_gives_another_image(visualizer: Model) -> None:
    first, second = (run(visualizer, "conv2", [1], seed=seed)[1].final.pixels for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_figures_are_those_of_the_very_image(visualizer: Model, trained: keras.Model) -> None:
    for image in run(visualizer, "logits", range(10), iterations=30).values():
        for snapshot in (image.final, image.best):
            logits = trained(snapshot.pixels[np.newaxis])[0].numpy()
            assert snapshot.objective == pytest.approx(logits[image.item.feature], rel=1e-4)
            assert snapshot.predicted_class == logits.argmax()
            assert snapshot.probability == pytest.approx(tf.nn.softmax(logits).numpy().max(), rel=1e-4)
            assert snapshot.pixels.shape == (28, 28, 1)
            assert 0 <= snapshot.pixels.min() <= snapshot.pixels.max() <= 1


def test_the_objective_rises_and_the_best_is_kept(visualizer: Model) -> None:
    for layer, count in LAYERS.items():
        for image in run(visualizer, layer, range(min(count, 10)), iterations=8, trace=True).values():
            assert image.trace is not None
            objectives = [*image.trace.objective.tolist(), image.final.objective]
            assert image.best.objective == max(objectives)
            assert image.best.iteration == objectives.index(max(objectives))
            assert image.best.objective > objectives[0]
            assert image.final.iteration == 8


@pytest.mark.parametrize("layer_name", ["conv2", "logits"])
def test_a_nan_gradient_spoils_no_other_image(trained_file: bytes, layer_name: str) -> None:
    model = model_from_bytes(trained_file)
    healthy = run(Model(model), layer_name, range(10), iterations=5)
    layer = model.get_layer(layer_name)
    kernel = layer.kernel.numpy()
    kernel[..., 0, 3] = np.inf
    layer.kernel.assign(kernel)
    images = run(Model(model), layer_name, range(10), iterations=5)
    assert np.isnan(images[3].final.objective)
    assert np.isnan(images[3].best.objective)
    start = starting_images((28, 28, 1), seed=0, layer=layer_name, features=[3])[0]
    assert np.array_equal(images[3].final.pixels, start)
    assert np.array_equal(images[3].best.pixels, start)
    for feature in set(range(10)) - {3}:
        assert images[feature].final.pixels.tobytes() == healthy[feature].final.pixels.tobytes()


def test_a_visualizer_follows_the_models_weights(trained_file: bytes) -> None:
    model = model_from_bytes(trained_file)
    visualizer = Model(model)
    before = run(visualizer, "conv2", [0], iterations=3)[0]
    model.get_layer("conv1").kernel.assign(-model.get_layer("conv1").kernel.value)
    after = run(visualizer, "conv2", [0], iterations=3)[0]
    assert not np.array_equal(before.final.pixels, after.final.pixels)
    assert_same({0: after}, run(Model(model), "conv2", [0], iterations=3))
