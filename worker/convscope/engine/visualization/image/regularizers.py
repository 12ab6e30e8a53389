"""Penalties of an image during its ascent."""

from typing import Any, Final

import tensorflow as tf

from convscope.planning import RegularizerSettings

__all__ = ["penalty"]

# The value that the penalties pull pixels to: grey.
GREY: Final = 0.5


def penalty(images: Any, settings: RegularizerSettings) -> Any:
    """Return the weighted sum of the penalties of each image, [n], for images [n, h, w, c] in [0, 1]."""
    terms = [
        weight * term(images)
        for weight, term in (
            (settings.l1, _l1),
            (settings.l2, _l2),
            (settings.total_variation, _total_variation),
            (settings.blur, _blur),
        )
        if weight
    ]
    return tf.add_n(terms) if terms else tf.zeros(tf.shape(images)[:1])


def _l1(images: Any) -> Any:
    return _mean(tf.abs(images - GREY))


def _l2(images: Any) -> Any:
    return _mean(tf.square(images - GREY))


def _total_variation(images: Any) -> Any:
    """Return the mean absolute difference over all pairs of pixels beside or above each other; 0 without any."""
    vertical = tf.abs(images[:, 1:] - images[:, :-1])
    horizontal = tf.abs(images[:, :, 1:] - images[:, :, :-1])
    pairs = tf.size(vertical[0]) + tf.size(horizontal[0])
    return (_sum(vertical) + _sum(horizontal)) / tf.cast(tf.maximum(pairs, 1), tf.float32)


def _blur(images: Any) -> Any:
    """Return the mean squared difference from the image under the kernel [1, 2, 1] / 4 along both axes."""
    return _mean(tf.square(images - _smoothed(_smoothed(images, 1), 2)))


def _smoothed(images: Any, axis: int) -> Any:
    """Return images under [1, 2, 1] / 4 along an axis; pixels at the edge are repeated beyond it."""
    paddings = [[1, 1] if number == axis else [0, 0] for number in range(4)]
    padded = tf.pad(images, paddings, "SYMMETRIC")
    before, after = (padded[:, :-2], padded[:, 2:]) if axis == 1 else (padded[:, :, :-2], padded[:, :, 2:])
    return 0.25 * before + 0.5 * images + 0.25 * after


def _mean(values: Any) -> Any:
    return tf.reduce_mean(values, axis=[1, 2, 3])


def _sum(values: Any) -> Any:
    return tf.reduce_sum(values, axis=[1, 2, 3])
