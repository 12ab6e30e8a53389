"""Execution of the steps of a network."""

from typing import Any

import keras
import tensorflow as tf

from convscope.engine.models.graph import Step
from convscope.engine.visualization.objective.redirect import redirected, relu_of

__all__ = ["activate", "keep", "run_step"]


def run_step(step: Step, values: dict[int, Any], dead: Any = None) -> None:
    """Compute a step in inference mode, and add its outputs to the values.

    Args:
        step: the step.
        values: computed values, by number.
        dead: bool [n], images for which the gradient of a layer that is a ReLU is redirected.
    """
    relu = None if dead is None else relu_of(step.layer)
    if relu:
        keep(step, redirected(relu, values[step.reads[0]], dead), values)
        return
    args, kwargs = step.arguments(values)
    training = {"training": False} if isinstance(step.layer, keras.layers.Layer) else {}
    keep(step, step.layer(*args, **{**kwargs, **training}), values)


def activate(layer: Any, outputs: Any, dead: Any) -> Any:
    """Apply a layer's activation, with a redirected gradient if it is a ReLU and ``dead`` is given."""
    relu = None if dead is None else relu_of(layer)
    return redirected(relu, outputs, dead) if relu else layer.activation(outputs)


def keep(step: Step, output: Any, values: dict[int, Any]) -> None:
    """Add the outputs of a step to the values."""
    values.update(zip(step.makes, tf.nest.flatten(output), strict=True))
