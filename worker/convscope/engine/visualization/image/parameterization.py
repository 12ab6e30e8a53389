"""Parameterizations of images: the pixels themselves, or coefficients of a Fourier series."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.runtime.randomness import generator
from convscope.engine.visualization.random_keys import RandomKey
from convscope.planning import FourierSettings, ParameterizationSettings

__all__ = ["Parameterization", "make_parameterization"]

# Linear map from decorrelated colours to RGB: a square root of the covariance of the colours of ImageNet, over its
# longest column (Lucid, ``optvis/param/color.py``).
COLOURS: Final = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
# Lucid divides its Fourier images by this, so that their contrast is that of plain pixels with the same step.
CONTRAST: Final = 4.0


class Parameterization(Protocol):
    """Parameters of n images, float32 tensors [n, ...]; each image is a function of its own parameters alone."""

    def start(self, keys: Sequence[RandomKey]) -> npt.NDArray[np.float32]:
        """Return the parameters that ascents start from, [keys, ...], each a function of its key."""

    def images(self, parameters: Any) -> Any:
        """Return the images, [n, h, w, c] in [0, 1]; differentiable."""

    def constrained(self, parameters: Any) -> Any:
        """Return the nearest parameters that are allowed; to be applied after each update."""


def make_parameterization(
    settings: ParameterizationSettings, image_shape: Sequence[int], *, decorrelate: bool
) -> Parameterization:
    """Return a parameterization.

    Args:
        settings: pixels or Fourier coefficients.
        image_shape: (h, w, c).
        decorrelate: whether the channels of a Fourier image vary as those of natural images do; ignored without 3
            channels.
    """
    if isinstance(settings, FourierSettings):
        return _Fourier(settings, image_shape, decorrelate=decorrelate)
    return _Pixels(image_shape)


class _Pixels:
    """The image itself, clipped to [0, 1]; starts as 0.1 * U[0, 1) + 0.45."""

    def __init__(self, image_shape: Sequence[int]) -> None:
        self._shape = tuple(image_shape)

    def start(self, keys: Sequence[RandomKey]) -> npt.NDArray[np.float32]:
        uniform = [_generator("start", key).random(self._shape, np.float32) for key in keys]
        return np.float32(0.1) * np.stack(uniform) + np.float32(0.45)

    def images(self, parameters: Any) -> Any:
        return parameters

    def constrained(self, parameters: Any) -> Any:
        return tf.clip_by_value(parameters, 0.0, 1.0)


class _Fourier:
    """Real and imaginary parts of the coefficients of each channel, [n, 2, c, h, w // 2 + 1], before their decay.

    As in Lucid (``optvis/param/spatial.py``): coefficients of frequency f (cycles per pixel) are divided by
    max(f, 1 / max(h, w)) ** decay. In natural images amplitudes fall off with a decay of about 1.
    """

    def __init__(self, settings: FourierSettings, image_shape: Sequence[int], *, decorrelate: bool) -> None:
        height, width, channels = image_shape
        self._size = [height, width]
        self._shape = (2, channels, height, width // 2 + 1)
        self._deviation = np.float32(settings.deviation)
        self._amplitudes = _amplitudes(height, width, settings.decay)
        self._colours = _colours() if decorrelate and channels == 3 else None

    def start(self, keys: Sequence[RandomKey]) -> npt.NDArray[np.float32]:
        normal = [_generator("spectrum", key).standard_normal(self._shape, np.float32) for key in keys]
        return self._deviation * np.stack(normal)

    def images(self, parameters: Any) -> Any:
        scaled = parameters * self._amplitudes
        values = tf.signal.irfft2d(tf.complex(scaled[:, 0], scaled[:, 1]), self._size)
        values = tf.transpose(values, [0, 2, 3, 1])
        if self._colours is not None:
            values = tf.tensordot(values, self._colours, 1)
        return tf.sigmoid(values)

    def constrained(self, parameters: Any) -> Any:
        return parameters


def _generator(what: str, key: RandomKey) -> np.random.Generator:
    return generator(what, key.seed, key.target, key.feature, key.restart)


def _amplitudes(height: int, width: int, decay: float) -> npt.NDArray[np.float32]:
    """Return the factor of each coefficient, [h, w // 2 + 1]."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    falling = 1 / np.maximum(frequencies, 1 / max(height, width)) ** decay
    return np.asarray(falling * np.sqrt(height * width) / CONTRAST, np.float32)


def _colours() -> npt.NDArray[np.float32]:
    """Return the matrix, [3, 3], that takes decorrelated colours, as a row, to red, green and blue."""
    return np.ascontiguousarray((COLOURS / np.linalg.norm(COLOURS, axis=0).max()).T)
