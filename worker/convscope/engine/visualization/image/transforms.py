"""Random transforms of an image during its ascent, so that the objective does not depend on single pixels.

Padding, shift, scaling and rotation are one affine map, sampled bilinearly; then comes noise. Each image has its own
draw, a function of its seed and the iteration.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.runtime.randomness import generator
from convscope.engine.visualization.random_keys import RandomKey
from convscope.planning import TransformSettings

__all__ = ["transform_seeds", "transformed"]

# The value of the border that padding adds.
GREY: Final = 0.5
# Distinguishes the noise's seed from that of the affine map.
NOISE: Final = 0x6E6F6973


def transform_seeds(keys: Sequence[RandomKey]) -> npt.NDArray[np.int32]:
    """Return seeds for ``transformed``, [keys, 2], each a function of its key."""
    generators = [generator("transform", key.seed, key.target, key.feature, key.restart) for key in keys]
    return np.stack([numbers.integers(2**31, size=2, dtype=np.int32) for numbers in generators])


def transformed(images: Any, settings: TransformSettings, seeds: Any, iteration: Any) -> Any:
    """Return images under random transforms, of the same shape; differentiable.

    An image with a border (``pad``) stays whole: it shrinks by 1 + 2 * pad. Beyond the image is grey with a border,
    else the nearest pixel.

    Args:
        images: float32 [n, h, w, c].
        settings: strengths of the transforms.
        seeds: int32 [n, 2], with n known when the graph is made.
        iteration: int32.
    """
    drawn = [_folded(seed, iteration) for seed in tf.unstack(tf.convert_to_tensor(seeds))]
    if settings.pad or settings.jitter or settings.scale or settings.rotate:
        images = _warped(images, settings, tf.stack([_draw(seed) for seed in drawn]))
    if settings.noise:
        noise = [tf.random.stateless_normal(images.shape[1:], tf.bitwise.bitwise_xor(seed, NOISE)) for seed in drawn]
        images += settings.noise * tf.stack(noise)
    return images


def _folded(seed: Any, iteration: Any) -> Any:
    return tf.stack([seed[0], seed[1] + iteration])


def _draw(seed: Any) -> Any:
    """Return four numbers from -1 to 1: for shifts down and right, scaling, and rotation."""
    return tf.random.stateless_uniform([4], seed, -1.0, 1.0)


def _warped(images: Any, settings: TransformSettings, draws: Any) -> Any:
    height, width = images.shape[1:3]
    down, right, growth, turn = (tf.reshape(draw, [-1, 1, 1]) for draw in tf.unstack(draws, axis=1))
    shift = settings.jitter * min(height, width)
    angle = turn * np.float32(np.deg2rad(settings.rotate))
    zoom = (1 + 2 * settings.pad) / (1 + settings.scale * growth)
    cosine, sine = zoom * tf.cos(angle), zoom * tf.sin(angle)
    # From the centre of the image, in pixels.
    rows = tf.reshape(tf.range(height, dtype=tf.float32) - (height - 1) / 2, [1, -1, 1])
    columns = tf.reshape(tf.range(width, dtype=tf.float32) - (width - 1) / 2, [1, 1, -1])
    source_rows = cosine * rows - sine * columns + shift * down + (height - 1) / 2
    source_columns = sine * rows + cosine * columns + shift * right + (width - 1) / 2
    return _sampled(_bordered(images, grey=settings.pad > 0), source_rows + 1, source_columns + 1)


def _bordered(images: Any, *, grey: bool) -> Any:
    """Return images with one more pixel on each side, grey or equal to its neighbour."""
    paddings = [[0, 0], [1, 1], [1, 1], [0, 0]]
    return tf.pad(images, paddings, constant_values=GREY) if grey else tf.pad(images, paddings, "SYMMETRIC")


def _sampled(images: Any, rows: Any, columns: Any) -> Any:
    """Return images [n, h, w, c] interpolated at positions [n, a, b], clipped to the image: [n, a, b, c]."""
    count, height, width, channels = images.shape
    rows, columns = tf.clip_by_value(rows, 0.0, height - 1.0), tf.clip_by_value(columns, 0.0, width - 1.0)
    top, left = tf.minimum(tf.floor(rows), height - 2.0), tf.minimum(tf.floor(columns), width - 2.0)
    lower, righter = (rows - top)[..., tf.newaxis], (columns - left)[..., tf.newaxis]
    own = tf.reshape(tf.range(count) * height * width, [-1, 1, 1])
    corner = own + tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)
    pixels = tf.reshape(images, [-1, channels])

    def between(start: Any) -> Any:
        return (1 - righter) * tf.gather(pixels, start) + righter * tf.gather(pixels, start + 1)

    return (1 - lower) * between(corner) + lower * between(corner + width)
