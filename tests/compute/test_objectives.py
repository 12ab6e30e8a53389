"""Objectives are values; what the ascent makes of them agrees with Keras and automatic differentiation."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.engine.errors import ComputationError
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import (
    Direction,
    Diversity,
    Feature,
    Image,
    Layer,
    Neuron,
    Objective,
    Visualizer,
)
from convscope.engine.visualization.objective.objectives import Term

DIRECTION = tuple(float(x) for x in np.linspace(-1, 1, 36))


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Visualizer:
    return Visualizer(trained)


def ascend(visualizer: Visualizer, objective: Objective, *, iterations: int = 2, restarts: int = 2) -> list[Image]:
    images: list[Image] = []
    settings = VisualizeSettings(iterations=iterations, restarts=restarts, keep_all=True, trace=iterations > 0)
    visualizer.run_objective("mine", objective, settings, rows=restarts, ready=images.append)
    return images


def trace_of(image: Image) -> list[float]:
    assert image.trace
    return [float(value) for value in image.trace.objective]


def test_weights_do_not_compound_and_operands_do_not_change() -> None:
    first, two = Feature("conv1", 1), Neuron("conv2", 2)
    total = first + two * 3
    for objective, expected in (
        (total * 2, [(2, first), (6, two)]),
        (-total - first, [(-1, first), (-3, two), (-1, first)]),
        (2 * first, [(2, first)]),
        (total, [(1, first), (3, two)]),
    ):
        assert list(objective.summands) == expected
    assert hash(total) == hash(Feature("conv1", 1) + 3 * Neuron("conv2", 2))


def values(model: keras.Model, layer: str, *, post: bool, images: Any) -> Any:
    """Return what a layer gives before bias (of convolutions) and activation, or after, by Keras alone."""
    target = model.get_layer(layer)
    inputs = keras.Model(model.inputs[0], target.input)(images)
    if post:
        return target(inputs)
    if isinstance(target, keras.layers.Dense):
        return inputs @ target.kernel.value + target.bias.value
    return tf.nn.conv2d(inputs, target.kernel.value, 1, "SAME")


@pytest.mark.parametrize("post", [False, True])
def test_each_term_is_what_it_says_of_the_image_that_is_returned(
    visualizer: Visualizer, trained: keras.Model, *, post: bool
) -> None:
    terms: dict[Term, Callable[[Any], Any]] = {
        Feature("conv2", 3, post=post): lambda v: v[..., 3].mean(axis=(1, 2)),
        Feature("dense1", 3, post=post): lambda v: v[..., 3],
        Neuron("conv2", 3, post=post): lambda v: v[:, 7, 7, 3],
        Neuron("conv2", 3, 0, 13, post=post): lambda v: v[:, 0, 13, 3],
        Layer("conv2", post=post): lambda v: (v**2).mean(axis=(1, 2, 3)),
        Direction("conv2", DIRECTION, post=post): lambda v: (v @ np.array(DIRECTION)).mean(axis=(1, 2)),
    }
    for term, expected in terms.items():
        images = ascend(visualizer, term)
        best = np.stack([image.best.pixels for image in images])
        tapped = values(trained, term.layer, post=post, images=best).numpy()
        np.testing.assert_allclose([image.best.objective for image in images], expected(tapped), rtol=1e-3, atol=1e-5)
        assert all(image.best.objective == max([*trace_of(image), image.final.objective]) for image in images)


def test_a_sum_is_the_weighted_sum_and_rises_by_its_own_gradient(visualizer: Visualizer, trained: keras.Model) -> None:
    objective = 2 * Feature("logits", 2) - 3 * Neuron("conv1", 1) + 0.5 * Layer("conv2", post=True)
    image = ascend(visualizer, objective, iterations=1)[0]
    start = ascend(visualizer, objective, iterations=0)[0].final.pixels
    with tf.GradientTape() as tape:
        watched = tf.constant(start[np.newaxis])
        tape.watch(watched)
        logits, conv1, conv2 = (
            values(trained, layer, post=post, images=watched)
            for layer, post in (("logits", False), ("conv1", False), ("conv2", True))
        )
        value = 2 * logits[0, 2] - 3 * conv1[0, 14, 14, 1] + 0.5 * tf.reduce_mean(conv2**2)
    gradient = tape.gradient(value, watched)[0].numpy()
    moved = np.clip(start + gradient / (gradient.std() + 1e-8), 0, 1)
    assert image.trace
    assert image.trace.objective[0] == pytest.approx(float(value), rel=1e-4)
    assert np.mean(np.abs(image.final.pixels - moved) < 1e-3) > 0.99


def test_the_negative_of_a_feature_falls(visualizer: Visualizer) -> None:
    for image in ascend(visualizer, -Feature("conv2", 3), iterations=8):
        assert image.trace
        assert image.best.objective > image.trace.objective[0]


def test_a_feature_is_the_same_by_the_short_way_and_the_general_one(visualizer: Visualizer) -> None:
    """A term of another layer forces the general way; its weight is too small to count."""
    short, general = (
        ascend(visualizer, objective, iterations=2)[0]
        for objective in (Feature("conv2", 3) * 1, Feature("conv2", 3) + 1e-30 * Feature("conv1", 0))
    )
    # a different objective has different starts: only how far it gets can be compared
    assert short.best.objective == pytest.approx(general.best.objective, rel=0.2)


def test_the_name_changes_no_bit(visualizer: Visualizer) -> None:
    pixels = []
    for name in ("one", "other"):
        settings = VisualizeSettings(iterations=2)
        visualizer.run_objective(
            name, Neuron("conv2", 3), settings, rows=2, ready=lambda image: pixels.append(image.best.pixels.tobytes())
        )
    assert pixels[0] == pixels[1]


def test_diversity_makes_restarts_differ(visualizer: Visualizer, trained: keras.Model) -> None:
    def likeness(objective: Objective) -> float:
        images = ascend(visualizer, objective, iterations=12, restarts=3)
        tapped = values(trained, "conv2", post=True, images=np.stack([image.final.pixels for image in images])).numpy()
        flat = tapped.reshape(3, -1, 36)
        grams = (flat.transpose(0, 2, 1) @ flat).reshape(3, -1)
        units = grams / np.linalg.norm(grams, axis=1, keepdims=True)
        return float(((units @ units.T).sum() - 3) / 6)

    alike = likeness(Feature("conv2", 3) + 1e-6 * Diversity("conv2"))
    assert 1 - likeness(Feature("conv2", 3) + 1e4 * Diversity("conv2")) > 2 * (1 - alike)


def test_the_value_of_diversity_is_the_mean_over_all_pairs() -> None:
    tapped = np.random.default_rng(0).standard_normal((3, 4, 4, 5)).astype(np.float32)
    grams = [tapped_image.reshape(-1, 5).T @ tapped_image.reshape(-1, 5) for tapped_image in tapped]
    cosine = [
        float((grams[i] * grams[j]).sum() / np.linalg.norm(grams[i]) / np.linalg.norm(grams[j]))
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    term = Diversity("any")
    diversity = term.value({term.tap: tf.constant(tapped)}).numpy()
    np.testing.assert_allclose(diversity.mean(), -np.mean(cosine), rtol=1e-5)


def test_a_feature_is_chosen_without_an_array_as_large_as_the_layer() -> None:
    chosen = Feature("any", tf.range(8)).functional([200, 200, 64])
    assert (chosen.dtype, tuple(chosen.shape)) == (tf.float32, (8, 1, 1, 64))


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Feature("nowhere", 0), "no layer 'nowhere'"),
        (Layer("nowhere"), "no layer 'nowhere'"),
        (Feature("pool1", 0), "no layer 'pool1' with features"),
        (Feature("conv2", 36), "no feature 36; it has 0 to 35"),
        (Neuron("conv2", 0, 14), "no row 14; it has 0 to 13"),
        (Neuron("conv2", 0, 0, -1), "no column -1"),
        (Neuron("logits", 0), "'logits' is not a convolution"),
        (Direction("conv2", (1.0,)), "needs 36 components"),
        (Diversity("conv2"), "not diversity"),
        (Feature("conv1", 0) + Diversity("dense1"), "'dense1' is not a convolution"),
    ],
)
def test_what_the_model_does_not_have_is_refused(visualizer: Visualizer, objective: Objective, message: str) -> None:
    with pytest.raises(ComputationError, match=message):
        ascend(visualizer, objective)


def test_diverse_restarts_must_be_one_batch(visualizer: Visualizer) -> None:
    objective = Feature("conv2", 0) + Diversity("conv2")
    settings = VisualizeSettings(iterations=1, restarts=4)
    with pytest.raises(ComputationError, match=r"4 diverse restarts.* 2"):
        visualizer.run_objective("mine", objective, settings, rows=2, ready=lambda _: None)
