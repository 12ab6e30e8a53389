"""The forward pass of training: the same function as the Keras model's, in fewer and cheaper operations.

Max-pooling comes before bias and activation. Both are monotone and the same at every pixel of a channel, so the largest
value stays the largest one; and they are applied to a quarter of the pixels.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import keras
import tensorflow as tf

from convscope.engine.errors import ModelFileError

__all__ = ["Forward"]

# Takes values and the weights of all layers; returns values.
Stage: TypeAlias = Callable[[Any, Sequence[Any]], Any]

_ACTIVATIONS: Final[dict[Any, Callable[[Any], Any]]] = {
    keras.activations.relu: tf.nn.relu,
    keras.activations.elu: tf.nn.elu,
    keras.activations.tanh: tf.nn.tanh,
    keras.activations.sigmoid: tf.nn.sigmoid,
    keras.activations.linear: lambda values: values,
}


class Forward:
    """The model as a function of images and weights.

    Raises:
        ModelFileError: for a model that ``build_network`` did not make.
    """

    def __init__(self, model: keras.Model) -> None:
        self._stages: list[Stage] = []  # each equal to any other that computes the same
        layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
        for position, layer in enumerate(layers):
            following = layers[position + 1] if position + 1 < len(layers) else None
            self._add(layer, following)

    @property
    def key(self) -> Hashable:
        """What is equal for models that are the same function of images and weights."""
        return tuple(self._stages)

    def __call__(self, images: Any, weights: Sequence[Any]) -> Any:
        """Return logits [n, classes].

        Args:
            images: [n, h, w, c], 0 to 1, of the floating type of the computation.
            weights: in the order of the model's trainable variables, of the same type.
        """
        values = images
        for stage in self._stages:
            values = stage(values, weights)
        return values

    def _add(self, layer: keras.layers.Layer, following: keras.layers.Layer | None) -> None:
        at = 2 * sum(isinstance(stage, (_Convolution, _Dense)) for stage in self._stages)
        if isinstance(layer, keras.layers.Conv2D):
            self._stages.append(_Convolution(at, _pool_size(following), _activation(layer)))
        elif isinstance(layer, keras.layers.Dense):
            self._stages.append(_Dense(at, _activation(layer)))
        elif isinstance(layer, keras.layers.Flatten):
            self._stages.append(_flatten)
        elif not isinstance(layer, keras.layers.MaxPooling2D):
            raise ModelFileError(f"layer {layer.name!r} is a {type(layer).__name__}, which cannot be trained here")


@dataclass(frozen=True, slots=True)
class _Convolution:
    at: int
    pool_size: int
    activation: Callable[[Any], Any]

    def __call__(self, values: Any, weights: Sequence[Any]) -> Any:
        values = tf.nn.conv2d(values, weights[self.at], 1, "SAME")
        if self.pool_size > 1:
            values = tf.nn.max_pool2d(values, self.pool_size, self.pool_size, "VALID")
        return self.activation(tf.nn.bias_add(values, weights[self.at + 1]))


@dataclass(frozen=True, slots=True)
class _Dense:
    at: int
    activation: Callable[[Any], Any]

    def __call__(self, values: Any, weights: Sequence[Any]) -> Any:
        return self.activation(tf.nn.bias_add(tf.matmul(values, weights[self.at]), weights[self.at + 1]))


def _flatten(values: Any, _: Sequence[Any]) -> Any:
    return tf.reshape(values, [values.shape[0], -1])


def _pool_size(layer: keras.layers.Layer | None) -> int:
    return layer.pool_size[0] if isinstance(layer, keras.layers.MaxPooling2D) else 1


def _activation(layer: keras.layers.Layer) -> Callable[[Any], Any]:
    if layer.activation not in _ACTIVATIONS:
        raise ModelFileError(f"layer {layer.name!r} has an activation that cannot be trained here")
    return _ACTIVATIONS[layer.activation]
