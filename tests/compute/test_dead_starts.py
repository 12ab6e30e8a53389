"""Starts without a gradient: how they are rescued, and what is reported about them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convscope.engine.models.graph import Graph
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Feature, Image, Layer, Visualizer
from convscope.engine.visualization.ascent.ascent import Ascent
from convscope.engine.visualization.objective.subnetwork import Subnetwork
from convscope.engine.visualization.objective.taps import Tap
from convscope.planning import RenderSettings


def dead_network() -> keras.Model:
    """Return a network whose hidden units are inactive for grey images; the last one is inactive for any."""
    image = keras.Input((4, 4, 1))
    hidden = layers.Dense(3, activation="relu", name="hidden")
    model = keras.Model(image, layers.Dense(2, name="scores")(hidden(layers.Flatten()(image))))
    kernel = np.zeros((16, 3), np.float32)
    kernel[:8, :2], kernel[8:, :2] = 1, -1
    hidden.set_weights([kernel, np.array([-2, -2, -2], np.float32)])
    return model


@pytest.mark.parametrize("rescue", [0, 8])
def test_a_dead_start_is_rescued_and_reported(rescue: int) -> None:
    visualizer = Visualizer(dead_network())
    images: list[Image] = []
    settings = VisualizeSettings(iterations=12, render=RenderSettings(rescue=rescue))
    for feature in (0, 2):
        objective = Feature("hidden", feature, post=True)
        visualizer.run_objective("mine", objective, settings, rows=2, ready=images.append)
    alive, never = images
    assert alive.verdict.rescued == never.verdict.rescued == bool(rescue)
    assert alive.verdict.outcome == ("normal" if rescue else "unreachable")
    assert alive.best.objective == pytest.approx(6 if rescue else 0, abs=0.5)
    assert never.verdict.outcome == "unreachable"
    assert never.verdict.without_gradient
    assert alive.verdict.without_gradient == (not rescue)


def test_a_layer_that_is_called_twice_is_tapped_at_its_first_call_in_a_rescue_too() -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((5, 5, 2))
    shared = layers.Conv2D(2, 3, padding="same", activation="relu", name="shared")
    scores = layers.Dense(2, name="scores")(layers.Flatten()(shared(shared(image))))
    subnetwork = Subnetwork(Graph(keras.Model(image, scores)), [Tap(layer="shared"), Tap(layer="scores")])
    images = np.random.default_rng(0).random((2, 5, 5, 2), np.float32)
    plain, redirected = subnetwork.network()(images), subnetwork.network(tf.constant([True, False]))(images)
    for tap, values in plain.items():
        np.testing.assert_allclose(redirected[tap], values, rtol=1e-5, atol=1e-6)


def test_one_function_serves_all_features_and_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[int] = []
    advance = Ascent._advance

    def counted(*arguments: object) -> object:
        traced.append(1)
        return advance(*arguments)  # type: ignore[arg-type]  # its own

    monkeypatch.setattr(Ascent, "_advance", counted)
    visualizer = Visualizer(dead_network())
    for features, seed, iterations in (([0], 0, 3), ([2, 1], 0, 2), (range(3), 5, 4)):
        settings = VisualizeSettings(iterations=iterations, seed=seed)
        visualizer.run("hidden", features, settings, rows=2, ready=lambda _: None)
    assert traced == [1]


def test_a_start_that_is_the_best_already_had_a_gradient() -> None:
    """The objective is the negative mean square, and a step of the tutorial's length goes far beyond the optimum."""
    image = keras.Input((4, 4, 1))
    around = layers.Rescaling(1.0, offset=-0.5, name="around")(image)
    model = keras.Model(image, layers.Dense(2, name="scores")(layers.Flatten()(around)))
    images: list[Image] = []
    visualizer, settings = Visualizer(model), VisualizeSettings(iterations=5)
    visualizer.run_objective("grey", -1 * Layer("around"), settings, rows=2, ready=images.append)
    (only,) = images
    assert (only.verdict.outcome, only.best.iteration) == ("unreachable", 0)
    assert not only.verdict.without_gradient


def test_a_rescue_changes_no_bit_of_images_that_need_none() -> None:
    """A batch of a dead and a living start: the living one goes as if nothing had happened."""
    model = dead_network()
    hidden = model.get_layer("hidden")
    kernel, bias = hidden.get_weights()
    hidden.set_weights([kernel, np.array([-2, 2, -2], np.float32)])
    visualizer = Visualizer(model)
    scores = model.get_layer("scores")
    scores.set_weights([np.array([[1, 0], [0, 1], [0, 0]], np.float32), np.zeros(2, np.float32)])
    by_rescue: dict[int, list[Image]] = {0: [], 8: []}
    for rescue, images in by_rescue.items():
        settings = VisualizeSettings(iterations=5, render=RenderSettings(rescue=rescue))
        visualizer.run("scores", [0, 1], settings, rows=2, ready=images.append)
    assert [image.verdict.rescued for image in by_rescue[8]] == [True, False]
    assert by_rescue[8][1].final.pixels.tobytes() == by_rescue[0][1].final.pixels.tobytes()
    assert by_rescue[8][0].best.objective > by_rescue[0][0].best.objective
    assert bias.shape == (3,)


@pytest.mark.parametrize(
    "maker", [lambda: layers.ReLU(6), lambda: layers.Activation("relu"), lambda: layers.ReLU(threshold=1)]
)
def test_whatever_relu_is_redirected(maker: object) -> None:
    image = keras.Input((4, 4, 1))
    outputs = maker()(layers.Dense(1, name="before")(layers.Flatten()(image)))  # type: ignore[operator]  # a layer's
    model = keras.Model(image, layers.Dense(1, name="after")(outputs))
    model.get_layer("before").set_weights([np.ones((16, 1), np.float32), np.array([-12], np.float32)])
    model.get_layer("after").set_weights([np.ones((1, 1), np.float32), np.zeros(1, np.float32)])
    images: list[Image] = []
    settings = VisualizeSettings(iterations=12, render=RenderSettings(rescue=8))
    Visualizer(model).run("after", [0], settings, rows=2, ready=images.append)
    assert images[0].verdict.rescued
    assert images[0].best.objective > 1
