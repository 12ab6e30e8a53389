"""What a model computes from images up to some of its layers, as a function whose gradient by the images is cheap."""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from convscope.engine.models.graph import IMAGE, Graph, Step
from convscope.engine.models.layers import biased, has_features, is_activation, kernel_of, linear
from convscope.engine.visualization.objective.redirect import relu_of
from convscope.engine.visualization.objective.running import activate, keep, run_step
from convscope.engine.visualization.objective.taps import Tap
from convscope.engine.visualization.objective.thin import thin_convolution

__all__ = ["Below", "Network"]

# Takes images [n, h, w, c]; returns what is tapped, float32 tensors [n, ...].
Network: TypeAlias = Callable[[Any], dict[Tap, Any]]

# With so few channels the gradient by the images is worth computing in blocks.
THIN_CHANNELS = 4


class Below:
    """The part of a graph that some taps depend on."""

    def __init__(self, graph: Graph, taps: Iterable[Tap]) -> None:
        self._graph = graph
        self._taps = {tap: graph.by_name[tap.layer] for tap in taps}
        self._steps = graph.towards(value for tap, step in self._taps.items() for value in _needed(tap, step))
        thin = _thin_first(graph)
        self._thin = thin if thin in self._steps else None

    @property
    def values(self) -> int:
        """How many numbers are computed for one image."""
        return sum(math.prod(self._graph.shape(value)) for step in self._steps for value in step.makes)

    def network(self, dead: Any = None) -> Network:
        """Return the function, with the weights as they are now; call it inside the function that uses it.

        For images that `dead`, bool [n], marks, gradients are redirected through inactive ReLUs.
        """
        thin = thin_convolution(self._thin.layer) if self._thin else None

        def run(images: Any) -> dict[Tap, Any]:
            values: dict[int, Any] = {IMAGE: images}
            linears: dict[Step, Any] = {}
            for step in self._steps:
                if self._is_split(step, dead):
                    plain = _linear(step, values, thin if step is self._thin else None)
                    full = biased(step.layer, plain)
                    linears[step] = full if isinstance(step.layer, keras.layers.Dense) else plain
                    keep(step, activate(step.layer, full, dead), values)
                else:
                    run_step(step, values, dead)
            return {tap: _tapped(tap, step, values, linears) for tap, step in self._taps.items()}

        return run

    def _is_split(self, step: Step, dead: Any) -> bool:
        """Tell whether a layer is computed in parts: it is tapped inside, thin, or its ReLU is to be redirected."""
        inside = any(tap.place == "linear" and its is step for tap, its in self._taps.items())
        redirecting = dead is not None and relu_of(step.layer) is not None
        return has_features(step.layer) and (inside or step is self._thin or redirecting)


def _needed(tap: Tap, step: Step) -> tuple[int, ...]:
    """Return the values that a tap needs: before a layer that is nothing but an activation, what it reads."""
    before = tap.place == "input" or (tap.place == "linear" and is_activation(step.layer))
    return step.reads if before else step.makes


def _tapped(tap: Tap, step: Step, values: dict[int, Any], linears: dict[Step, Any]) -> Any:
    is_linear = tap.place == "linear" and step in linears
    return tf.cast(linears[step] if is_linear else values[_needed(tap, step)[0]], tf.float32)


def _linear(step: Step, values: dict[int, Any], thin: Callable[[Any], Any] | None) -> Any:
    inputs = values[step.reads[0]]
    return thin(inputs) if thin else linear(step.layer, inputs, kernel_of(step.layer))


def _thin_first(graph: Graph) -> Step | None:
    """Return the convolution that alone sees the images, if it is one whose gradient can be computed in blocks."""
    readers = graph.readers(IMAGE)
    if len(readers) != 1 or type(readers[0].layer) is not keras.layers.Conv2D:
        return None
    first = readers[0].layer
    plain = (first.strides, first.dilation_rate, first.groups, first.padding) == ((1, 1), (1, 1), 1, "same")
    usual = first.data_format == "channels_last" and first.compute_dtype == "float32"
    return readers[0] if plain and usual and graph.image_shape[-1] <= THIN_CHANNELS else None
