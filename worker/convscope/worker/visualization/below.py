"""The part of a network below a layer, as a function whose gradient by the images is cheap."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras

from convscope.worker.visualization.thin import thin_convolution

__all__ = ["Below", "Network"]

# Takes images [n, h, w, c]; returns the layer's input for each.
Network: TypeAlias = Callable[[Any], Any]

# With so few channels the gradient by the images is worth computing in blocks.
THIN_CHANNELS = 4


class Below:
    """What a model computes from images up to the input of one of its layers."""

    def __init__(self, model: keras.Model, layer: keras.layers.Layer) -> None:
        self._is_identity = layer.input is model.inputs[0]
        self._first = _thin_first(model)
        if self._is_identity:
            return
        start = model.inputs[0] if self._first is None else self._first.output
        self._rest = None if layer.input is start else keras.Model(start, layer.input)

    def network(self) -> Network:
        """Return the function, with the weights as they are now; call it inside the function that uses it."""
        if self._is_identity:
            return lambda images: images
        if self._first is None:
            return self._finish
        convolve = thin_convolution(self._first)
        return lambda images: self._finish(convolve(images))

    def _finish(self, values: Any) -> Any:
        return values if self._rest is None else self._rest(values, training=False)


def _thin_first(model: keras.Model) -> keras.layers.Layer | None:
    """Return the convolution that alone sees the images, if it is one whose gradient can be computed in blocks."""
    image = model.inputs[0]
    readers = [layer for layer in model.layers if any(each is image for each in _inputs(layer))]
    if len(readers) != 1 or type(readers[0]) is not keras.layers.Conv2D:
        return None
    (first,) = readers
    plain = (first.strides, first.dilation_rate, first.groups, first.padding) == ((1, 1), (1, 1), 1, "same")
    return first if plain and first.data_format == "channels_last" and image.shape[-1] <= THIN_CHANNELS else None


def _inputs(layer: keras.layers.Layer) -> list[keras.KerasTensor]:
    if isinstance(layer, keras.layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]
