"""Transforms are drawn for each image by itself, keep its size, and let the exact gradient through."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.engine.visualization.image.transforms import transform_seeds, transformed
from convscope.engine.visualization.random_keys import RandomKey
from convscope.planning import TransformSettings

ALL = TransformSettings(pad=0.1, jitter=0.1, scale=0.2, rotate=20, noise=0.1)
GEOMETRY = TransformSettings(pad=0.1, jitter=0.1, scale=0.2, rotate=20)

kinds = st.builds(
    TransformSettings,
    pad=st.sampled_from([0, 0.2]),
    jitter=st.floats(0, 0.5),
    scale=st.floats(0, 0.9),
    rotate=st.floats(0, 180),
    noise=st.floats(0, 1),
)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))


def seeds(count: int, seed: int = 0) -> npt.NDArray[np.int32]:
    return transform_seeds([RandomKey(seed=seed, target="a", feature=feature) for feature in range(count)])


def random_images(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).random(shape, np.float32)


@given(kind=kinds, shape=sizes, row=st.integers(0, 2), iteration=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_an_image_does_not_depend_on_the_others(
    kind: TransformSettings, shape: tuple[int, int, int], row: int, iteration: int
) -> None:
    images, keys = random_images(3, *shape), seeds(3)
    together = transformed(images, kind, keys, iteration)
    assert together.shape == (3, *shape)
    assert np.isfinite(together).all()
    alone = transformed(images[row : row + 1], kind, keys[row : row + 1], iteration)
    np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    images[(row + 1) % 3] = np.nan
    np.testing.assert_array_equal(transformed(images, kind, keys, iteration)[row], together[row])


@pytest.mark.parametrize("kind", [GEOMETRY, TransformSettings(noise=0.1)])
def test_each_image_and_iteration_has_a_draw_of_its_own(kind: TransformSettings) -> None:
    images = np.repeat(random_images(1, 12, 12, 1), 8, axis=0)
    drawn = [transformed(images, kind, seeds(8), iteration).numpy() for iteration in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1])
    assert len({seed.tobytes() for batch in drawn[1:] for seed in batch}) == 16


def test_seeds_are_functions_of_the_item() -> None:
    assert np.array_equal(seeds(9)[3:], seeds(9)[3:])
    assert len({seed.tobytes() for seed in (*seeds(9), *seeds(9, seed=2**64 - 1))}) == 18
    assert seeds(1).dtype == np.int32


def test_nothing_set_changes_nothing() -> None:
    images = random_images(2, 5, 6, 3)
    assert np.array_equal(transformed(images, TransformSettings(), seeds(2), 0), images)


@pytest.mark.parametrize("shape", [(9, 8, 1), (5, 12, 3)])
def test_the_gradient_is_that_of_a_linear_map(shape: tuple[int, int, int]) -> None:
    """For a linear map f, <f(image), upstream> = <image, gradient>, exactly."""
    kind = TransformSettings(jitter=0.2, scale=0.4, rotate=60)
    images, upstream = tf.constant(random_images(4, *shape)), random_images(4, *shape)[::-1]
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = transformed(images, kind, seeds(4), 5)
    gradient = tape.gradient(output, images, output_gradients=tf.constant(upstream.copy()))
    np.testing.assert_allclose(
        tf.reduce_sum(output * upstream, [1, 2, 3]), tf.reduce_sum(images * gradient, [1, 2, 3]), rtol=1e-5
    )


def moved(kind: TransformSettings, image: Any, count: int = 200) -> npt.NDArray[np.float32]:
    """Return one image transformed in many ways, [count, h, w]."""
    images = np.repeat(image[np.newaxis, ..., np.newaxis], count, axis=0).astype(np.float32)
    transformed_images: npt.NDArray[np.float32] = transformed(images, kind, seeds(count), 0).numpy()
    return transformed_images[..., 0]


def centres(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the centre of mass of each image from its middle, [n, 2], in pixels."""
    height, width = images.shape[1:]
    mass = images.sum(axis=(1, 2))
    rows = (images * (np.arange(height)[:, np.newaxis] - (height - 1) / 2)).sum(axis=(1, 2)) / mass
    columns = (images * (np.arange(width) - (width - 1) / 2)).sum(axis=(1, 2)) / mass
    return np.stack([rows, columns], axis=1)


def blob(size: tuple[int, int], *pixels: tuple[int, int]) -> npt.NDArray[np.float32]:
    image = np.zeros(size, np.float32)
    for row, column in pixels:
        image[row, column] = 1
    return image


def test_jitter_shifts_by_a_share_of_the_shorter_side() -> None:
    shifts = centres(moved(TransformSettings(jitter=0.1), blob((40, 21), (20, 10), (19, 10))))
    assert np.all(np.abs(shifts) <= 2.1 + 1e-4)
    assert np.all(np.abs(shifts).max(axis=0) > 1.9)
    assert np.all(np.abs(shifts.mean(axis=0)) < 0.3)


def test_scale_changes_the_size_up_and_down() -> None:
    line = blob((31, 31), *((15, column) for column in range(7, 24)))
    lengths = moved(TransformSettings(scale=0.2), line)[:, 15].sum(axis=1)
    assert lengths.min() == pytest.approx(17 * 0.8, abs=0.8)
    assert lengths.max() == pytest.approx(17 * 1.2, abs=0.8)


def test_rotation_turns_about_the_middle() -> None:
    turned = centres(moved(TransformSettings(rotate=30), blob((31, 31), (15, 25))))
    angles = np.degrees(np.arctan2(turned[:, 0], turned[:, 1]))
    np.testing.assert_allclose(np.hypot(*turned.T), 10, atol=0.3)
    assert -31 < angles.min() < -28
    assert 28 < angles.max() < 31


def test_padding_adds_a_grey_border_and_shows_the_whole() -> None:
    (padded,) = moved(TransformSettings(pad=0.5), np.ones((20, 20)), count=1)
    np.testing.assert_allclose(padded[6:14, 6:14], 1, atol=1e-5)
    np.testing.assert_allclose(padded[:4], 0.5, atol=1e-5)
    np.testing.assert_allclose(padded[:, 16:], 0.5, atol=1e-5)


def test_without_padding_the_edge_is_repeated() -> None:
    ones = np.ones((10, 10))
    np.testing.assert_allclose(moved(TransformSettings(jitter=0.5, scale=0.5, rotate=180), ones), 1, atol=1e-5)


def test_noise_has_its_deviation_and_is_unlike_elsewhere() -> None:
    noise = moved(TransformSettings(noise=0.2), np.zeros((20, 20)), count=20)
    assert noise.std() == pytest.approx(0.2, rel=0.05)
    assert abs(noise.mean()) < 0.02
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2


def test_it_compiles_with_the_iteration_as_a_tensor() -> None:
    compiled = tf.function(lambda images, number: transformed(images, ALL, seeds(3), number), autograph=False)
    images = random_images(3, 6, 7, 2)
    for iteration in (0, 9):
        np.testing.assert_allclose(
            compiled(tf.constant(images), tf.constant(iteration)),
            transformed(images, ALL, seeds(3), iteration),
            atol=1e-5,
        )
