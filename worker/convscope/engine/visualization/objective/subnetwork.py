"""The part of a model up to some layers, as a function with a cheap gradient with respect to the images."""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from convscope.engine.models.graph import IMAGE, Graph, Step
from convscope.engine.models.layers import biased, has_features, is_activation, kernel_of, linear
from convscope.engine.visualization.objective.few_channel_conv import few_channel_convolution
from convscope.engine.visualization.objective.redirect import relu_of
from convscope.engine.visualization.objective.running import activate, keep, run_step
from convscope.engine.visualization.objective.taps import Tap

__all__ = ["Network", "Subnetwork"]

# Takes images [n, h, w, c]; returns the tapped values, float32 tensors [n, ...].
Network: TypeAlias = Callable[[Any], dict[Tap, Any]]

# Up to so many channels the gradient with respect to the images is faster in blocks.
FEW_CHANNELS = 4


class Subnetwork:
    """The part of a graph that some taps depend on."""

    def __init__(self, graph: Graph, taps: Iterable[Tap]) -> None:
        self._graph = graph
        self._taps = {tap: graph.by_name[tap.layer] for tap in taps}
        self._steps = graph.towards(value for tap, step in self._taps.items() for value in _needed(tap, step))
        few_channel = _few_channel_first(graph)
        self._few_channel = few_channel if few_channel in self._steps else None

    @property
    def values(self) -> int:
        """Number of values that are computed for one image."""
        return sum(math.prod(self._graph.shape(value)) for step in self._steps for value in step.makes)

    def network(self, dead: Any = None) -> Network:
        """Return the function with the current weights; to be called inside the compiled function that uses it.

        Args:
            dead: bool [n], images whose gradients are redirected through inactive ReLUs.
        """
        few_channel = few_channel_convolution(self._few_channel.layer) if self._few_channel else None

        def run(images: Any) -> dict[Tap, Any]:
            values: dict[int, Any] = {IMAGE: images}
            linears: dict[Step, Any] = {}
            for step in self._steps:
                if self._is_split(step, dead):
                    plain = _linear(step, values, few_channel if step is self._few_channel else None)
                    full = biased(step.layer, plain)
                    linears[step] = full if isinstance(step.layer, keras.layers.Dense) else plain
                    keep(step, activate(step.layer, full, dead), values)
                else:
                    run_step(step, values, dead)
            return {tap: _tapped(tap, step, values, linears) for tap, step in self._taps.items()}

        return run

    def _is_split(self, step: Step, dead: Any) -> bool:
        """Return whether a layer is computed in parts: tapped inside, with few channels, or with a redirected ReLU."""
        inside = any(tap.place == "linear" and tapped is step for tap, tapped in self._taps.items())
        redirecting = dead is not None and relu_of(step.layer) is not None
        return has_features(step.layer) and (inside or step is self._few_channel or redirecting)


def _needed(tap: Tap, step: Step) -> tuple[int, ...]:
    """Return the values that a tap needs: a layer's outputs, or its inputs where these are tapped."""
    before = tap.place == "input" or (tap.place == "linear" and is_activation(step.layer))
    return step.reads if before else step.makes


def _tapped(tap: Tap, step: Step, values: dict[int, Any], linears: dict[Step, Any]) -> Any:
    is_linear = tap.place == "linear" and step in linears
    return tf.cast(linears[step] if is_linear else values[_needed(tap, step)[0]], tf.float32)


def _linear(step: Step, values: dict[int, Any], few_channel: Callable[[Any], Any] | None) -> Any:
    inputs = values[step.reads[0]]
    return few_channel(inputs) if few_channel else linear(step.layer, inputs, kernel_of(step.layer))


def _few_channel_first(graph: Graph) -> Step | None:
    """Return the only layer that reads the images, if its gradient can be computed in blocks; else None."""
    readers = graph.readers(IMAGE)
    if len(readers) != 1 or type(readers[0].layer) is not keras.layers.Conv2D:
        return None
    first = readers[0].layer
    plain = (first.strides, first.dilation_rate, first.groups, first.padding) == ((1, 1), (1, 1), 1, "same")
    usual = first.data_format == "channels_last" and first.compute_dtype == "float32"
    return readers[0] if plain and usual and graph.image_shape[-1] <= FEW_CHANNELS else None
