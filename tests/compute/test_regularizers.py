"""Penalties are what the contract says, for each image by itself."""

from dataclasses import fields

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Image, Visualizer
from convscope.engine.visualization.image.regularizers import penalty
from convscope.planning import AdamSettings, RegularizerSettings, RenderSettings
from support.ascents import Pixels

weights = st.sampled_from([0.0, 0.5, 3.0])
kinds = st.builds(RegularizerSettings, l1=weights, l2=weights, total_variation=weights, blur=weights)


def one(values: list[list[float]]) -> Pixels:
    return np.array(values, np.float32)[np.newaxis, ..., np.newaxis]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RegularizerSettings(l1=2), 2 * (0.5 + 0.25 + 0 + 0.5) / 4),
        (RegularizerSettings(l2=2), 2 * (0.25 + 0.0625 + 0 + 0.25) / 4),
        (RegularizerSettings(total_variation=2), 2 * (0.25 + 0.5 + 0.5 + 0.75) / 4),
        (RegularizerSettings(), 0),
    ],
)
def test_by_hand(kind: RegularizerSettings, expected: float) -> None:
    penalties = penalty(one([[0, 0.25], [0.5, 1]]), kind)
    np.testing.assert_allclose(penalties, [expected], rtol=1e-6)


def test_blur_is_against_the_binomial_kernel() -> None:
    image = one([[0] * 5, [0] * 5, [0, 0, 1, 0, 0], [0] * 5, [0] * 5])
    kernel = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    kernel[1, 1] -= 1
    np.testing.assert_allclose(penalty(image, RegularizerSettings(blur=1)), [np.square(kernel).sum() / 25], rtol=1e-5)


@given(kind=kinds, size=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)), level=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_an_image_does_not_depend_on_the_others(
    kind: RegularizerSettings, size: tuple[int, int, int], level: float
) -> None:
    images = np.random.default_rng(0).random((3, *size), np.float32)
    together = penalty(images, kind).numpy()
    assert together.shape == (3,)
    for row in range(3):
        np.testing.assert_allclose(penalty(images[row : row + 1], kind), together[row : row + 1], rtol=1e-5)
    images[0] = np.nan
    assert np.array_equal(penalty(images, kind)[1:], together[1:])
    flat = RegularizerSettings(total_variation=kind.total_variation, blur=kind.blur)
    np.testing.assert_allclose(penalty(np.full((2, *size), level, np.float32), flat), 0, atol=1e-6)


def test_a_penalty_holds_back_the_ascent_and_is_no_part_of_what_is_reported() -> None:
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 1))
    values = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3, name="conv")(image))
    model = keras.Model(image, keras.layers.Dense(2)(values))
    visualizer, images = Visualizer(model), list[Image]()
    kinds = [RegularizerSettings(**{field.name: 1000.0}) for field in fields(RegularizerSettings)]
    for kind in (RegularizerSettings(), *kinds):
        how = RenderSettings(optimizer=AdamSettings(learning_rate=0.02), regularizers=kind)
        visualizer.run("conv", [0], VisualizeSettings(render=how), rows=2, ready=images.append)
    pixels = np.stack([image.final.pixels for image in images])
    for number, kind in enumerate(kinds, 1):
        assert penalty(pixels, kind)[number] < penalty(pixels, kind)[0] / 2
    expected = tf.nn.conv2d(pixels, model.get_layer("conv").kernel.value, 1, "VALID").numpy()[..., 0].mean(axis=(1, 2))
    np.testing.assert_allclose([image.final.objective for image in images], expected, rtol=1e-4, atol=1e-6)
