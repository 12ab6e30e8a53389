"""Classification of images, with probabilities."""

import threading
from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.data import scaled
from convscope.engine.errors import ModelFileError
from convscope.engine.runtime.caches import COMPILED_BYTES
from convscope.engine.runtime.parallel import in_order
from convscope.engine.runtime.pulse import Pulse, no_pulse
from convscope.engine.runtime.threads import thread_count

__all__ = ["Classifier", "Predictions", "Progress", "classify_all", "has_classes", "no_progress"]

# Predicted classes, int32 [n], and their softmax probabilities, float32 [n].
Predictions: TypeAlias = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
# Takes the number of images done, and of all.
Progress: TypeAlias = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Do nothing."""


def has_classes(model: keras.Model) -> bool:
    """Return whether a model's output is one number for each class; that of a convolution, for example, is not."""
    shape = model.outputs[0].shape[1:]
    return len(shape) == 1 and None not in shape


class Classifier:
    """A model as a compiled function from images to classes; made once, called from any number of threads.

    Raises:
        ModelFileError: if the model's output is not one number for each class.
    """

    def __init__(self, model: keras.Model) -> None:
        shape = tuple(model.outputs[0].shape[1:])
        if not has_classes(model):
            raise ModelFileError(f"the model's output has the shape {shape}; it must be one number for each class")
        self.class_count = int(shape[0])
        self._model = model
        self._is_softmax = _ends_with_softmax(model)
        self._image_shape = model.inputs[0].shape[1:]
        self._preparing = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the compiled function, in bytes."""
        return COMPILED_BYTES

    def weights_changed(self) -> None:
        """Do nothing: the compiled function reads the model's variables."""

    def __call__(self, images: Any) -> Predictions:
        """Classify images, an array or tensor float32 [n, height, width, channels], 0 to 1."""
        predicted, probability = self._compiled(tf.convert_to_tensor(images))
        return predicted.numpy(), probability.numpy()

    def prepare(self) -> None:
        """Compile, and classify an image, so that the first call is fast."""
        with self._preparing:
            if "_function" not in vars(self):
                self._function(tf.zeros([1, *self._image_shape]))

    @property
    def _compiled(self) -> Any:
        with self._preparing:
            return self._function

    @cached_property
    def _function(self) -> Any:
        images = tf.TensorSpec([None, *self._image_shape], tf.float32)
        return tf.function(self._classify, autograph=False).get_concrete_function(images)

    def _classify(self, images: Any) -> tuple[Any, Any]:
        outputs = tf.cast(self._model(images, training=False), tf.float32)  # models may compute in half precision
        probabilities = outputs if self._is_softmax else tf.nn.softmax(outputs)
        return tf.argmax(outputs, axis=-1, output_type=tf.int32), tf.reduce_max(probabilities, axis=-1)


def _ends_with_softmax(model: keras.Model) -> bool:
    """Return whether a model's output are probabilities: models from elsewhere often end in a softmax."""
    last = model.layers[-1]
    if isinstance(last, keras.Model):
        return _ends_with_softmax(last)
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def classify_all(
    classify: Classifier,
    images: npt.NDArray[np.uint8],
    batch_size: int,
    *,
    progress: Progress = no_progress,
    pulse: Pulse = no_pulse,
) -> Predictions:
    """Classify any number of images, uint8 [n, height, width, channels], batches in parallel on all threads."""
    total = len(images)

    def work(start: int, _: threading.Event) -> Predictions:
        predicted, probability = classify(_padded(scaled(images[start : start + batch_size]), batch_size))
        kept = min(batch_size, total - start)
        return predicted[:kept], probability[:kept]

    predicted = np.empty(total, np.int32)
    probability = np.empty(total, np.float32)
    starts = range(0, total, batch_size)
    with closing(in_order(work, starts, threads=thread_count(), pulse=pulse)) as batches:
        for start, batch in zip(starts, batches, strict=True):
            done = min(start + batch_size, total)
            predicted[start:done], probability[start:done] = batch
            progress(done, total)
    return predicted, probability


def _padded(images: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Return the images and black ones up to ``size``: every batch has one shape, and so one choice of kernels."""
    return np.concatenate([images, np.zeros((size - len(images), *images.shape[1:]), np.float32)])
