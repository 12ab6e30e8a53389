"""Broadcasting of one number or flag for each image."""

from typing import Any

import tensorflow as tf

__all__ = ["along"]


def along(numbers: Any, values: Any) -> Any:
    """Return numbers or flags of images, [n], with as many axes as values [n, ...]."""
    return tf.reshape(numbers, [-1, *[1] * (values.shape.rank - 1)])
