"""Numbers and flags of whole images, beside what has more axes."""

from typing import Any

import tensorflow as tf

__all__ = ["along"]


def along(each: Any, values: Any) -> Any:
    """Return one number or flag for each image, [n], shaped to go along with values [n, ...]."""
    return tf.reshape(each, [-1, *[1] * (values.shape.rank - 1)])
