"""Parameters make images in [0, 1], each by itself, of any size and number of channels."""

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.engine.runtime.randomness import generator
from convscope.engine.visualization.image.parameterization import Parameterization, make_parameterization
from convscope.engine.visualization.random_keys import RandomKey
from convscope.planning import FourierSettings, ParameterizationSettings, PixelSettings

SHAPES = [(28, 28, 1), (17, 23, 2), (96, 64, 3), (1, 5, 4), (1, 1, 1)]
KINDS: list[ParameterizationSettings] = [PixelSettings(), FourierSettings()]

kinds = st.sampled_from(KINDS)
items = st.builds(
    RandomKey,
    seed=st.integers(0, 2**64 - 1),
    target=st.text(max_size=5),
    feature=st.integers(0, 1000),
    restart=st.integers(0, 999),
)


def make(
    kind: ParameterizationSettings, shape: tuple[int, ...] = (7, 6, 3), *, decorrelate: bool = True
) -> Parameterization:
    return make_parameterization(kind, shape, decorrelate=decorrelate)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS, ids=["pixels", "fourier"])
def test_images_of_any_shape(kind: ParameterizationSettings, shape: tuple[int, ...]) -> None:
    parameterization = make(kind, shape)
    parameters = tf.constant(
        parameterization.start([RandomKey(seed=1, target="a", feature=number) for number in range(3)])
    )
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        images = parameterization.images(parameters * 100)
        images = parameterization.constrained(images) if isinstance(kind, PixelSettings) else images
    assert images.shape == (3, *shape)
    assert images.dtype == tf.float32
    assert 0 <= images.numpy().min() <= images.numpy().max() <= 1
    assert tape.gradient(images, parameters).shape == parameters.shape


@given(kind=kinds, some=st.lists(items, min_size=1, max_size=4, unique=True), others=st.lists(items, max_size=4))
@settings(max_examples=25, deadline=None)
def test_an_image_does_not_depend_on_the_others(
    kind: ParameterizationSettings, some: list[RandomKey], others: list[RandomKey]
) -> None:
    parameterization = make(kind)
    alone, together = parameterization.start(some), parameterization.start([*others, *some])
    assert alone.dtype == np.float32
    assert alone.tobytes() == together[len(others) :].tobytes()
    assert len({values.tobytes() for values in alone}) == len(some)
    images = parameterization.images(tf.constant(together))[len(others) :]
    np.testing.assert_allclose(parameterization.images(tf.constant(alone)), images, atol=1e-6)


def test_pixels_start_as_the_tutorials() -> None:
    item = RandomKey(seed=7, target="conv1", feature=3)
    uniform = generator("start", 7, "conv1", 3, 0).random((28, 28, 1), np.float32)
    assert np.array_equal(make(PixelSettings(), (28, 28, 1)).start([item])[0], np.float32(0.1) * uniform + 0.45)


def test_a_restart_starts_elsewhere() -> None:
    for kind in KINDS:
        first, second = make(kind).start(
            [RandomKey(seed=7, target="a", feature=3, restart=number) for number in range(2)]
        )
        assert not np.array_equal(first, second)


def test_pixels_are_clipped_when_constrained() -> None:
    pixels = make(PixelSettings(), (1, 3, 1))
    values = tf.reshape(tf.constant([-0.5, 0.25, 7.0]), [1, 1, 3, 1])
    assert np.ravel(pixels.constrained(values)).tolist() == [0, 0.25, 1]
    assert np.array_equal(pixels.images(values), values)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 5)])
@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_a_coefficient_is_a_wave_whose_height_falls_with_its_frequency(size: tuple[int, int], decay: float) -> None:
    height, width = size
    fourier = make(FourierSettings(decay=decay), (height, width, 1))
    for row, column in [(0, 1), (1, 0), (2, 2), (height - 1, 1)]:
        parameters = np.zeros((1, 2, 1, height, width // 2 + 1), np.float32)
        parameters[0, 0, 0, row, column] = 0.5
        wave_image = logit(fourier.images(tf.constant(parameters)))[0, :, :, 0]
        down, right = np.fft.fftfreq(height)[row], column / width
        rows, columns = np.arange(height)[:, np.newaxis], np.arange(width)
        wave = np.cos(2 * math.pi * (down * rows + right * columns))
        twice = 2 if column else 1  # the other half is implied, but for the first column
        amplitude = 0.5 * twice / np.hypot(down, right) ** decay / math.sqrt(height * width) / 4
        if column == 0:  # of a column that is its own mirror image the mirrored coefficient is left out
            wave = np.cos(2 * math.pi * down * rows) * np.ones(width)
        np.testing.assert_allclose(wave_image, amplitude * wave, atol=2e-5)


def test_the_mean_has_the_amplitude_of_the_lowest_frequency() -> None:
    parameters = np.zeros((1, 2, 1, 6, 6), np.float32)
    parameters[0, 0, 0, 0, 0] = 1
    mean_image = logit(make(FourierSettings(decay=1), (6, 10, 1)).images(tf.constant(parameters)))
    np.testing.assert_allclose(mean_image, 10 / math.sqrt(60) / 4, rtol=1e-4)


def test_starts_have_the_given_deviation() -> None:
    start = make(FourierSettings(deviation=0.3), (32, 32, 3)).start([RandomKey(seed=0, target="a", feature=0)])
    assert start.std() == pytest.approx(0.3, rel=0.05)
    assert abs(start.mean()) < 0.02


def test_colours_are_decorrelated_for_three_channels_alone() -> None:
    kind = FourierSettings(deviation=1)
    for channels in (1, 2, 3, 4):
        start = make(kind, (16, 16, channels)).start([RandomKey(seed=0, target="a", feature=0)])
        mixed, plain = (
            logit(make(kind, (16, 16, channels), decorrelate=decorrelate).images(tf.constant(start)))
            for decorrelate in (True, False)
        )
        if channels != 3:
            assert np.array_equal(mixed, plain)
            continue
        # Lucid's matrix, divided by the length of its longest column
        matrix = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
        longest = math.sqrt(0.26**2 + 0.27**2 + 0.27**2)
        np.testing.assert_allclose(mixed, plain @ matrix.T / longest, rtol=1e-2, atol=2e-3)
        red, green = mixed[0, ..., 0].ravel(), mixed[0, ..., 1].ravel()
        assert np.corrcoef(red, green)[0, 1] > 0.8


def logit(images: Any) -> Any:
    values = np.asarray(images, np.float64)
    return np.log(values / (1 - values))
