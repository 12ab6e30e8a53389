"""Adam in one operation per variable, on the Keras optimizer's own state."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from convscope.engine.errors import ModelFileError

__all__ = ["FusedAdam"]


class FusedAdam:
    """Applies the update of Kingma and Ba (2015, section 2, its efficient form), as `keras.optimizers.Adam` does.

    The moments, the step count and the learning rate are the optimizer's variables, so that a saved model goes on
    exactly. Raises ModelFileError if the model was compiled with anything but plain Adam.
    """

    def __init__(self, model: keras.Model) -> None:
        optimizer = model.optimizer
        if type(optimizer) is not keras.optimizers.Adam or optimizer.amsgrad:
            raise ModelFileError("the model has no Adam optimizer, so its training cannot be continued")
        optimizer.build(model.trainable_variables)
        self._optimizer = optimizer
        self._variables = [variable.value for variable in model.trainable_variables]
        # Keras keeps the step count, the learning rate, then the two moments of each variable in turn.
        slots = [variable.value for variable in optimizer.variables[2:]]
        self._moments = list(zip(slots[::2], slots[1::2], strict=True))

    def apply(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the operations that update each variable by its float32 gradient and count the step."""
        iterations = self._optimizer.iterations.value
        step = tf.cast(iterations, tf.float32) + 1.0
        first, second = self._optimizer.beta_1, self._optimizer.beta_2
        settings = {
            "beta1_power": tf.pow(first, step),
            "beta2_power": tf.pow(second, step),
            "lr": self._optimizer.learning_rate.value,
            "beta1": first,
            "beta2": second,
            "epsilon": self._optimizer.epsilon,
        }
        updates = [
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=moments[0].handle, v=moments[1].handle, grad=gradient, **settings
            )
            for variable, moments, gradient in zip(self._variables, self._moments, gradients, strict=True)
        ]
        with tf.control_dependencies([step]):
            return [*updates, iterations.assign_add(1, read_value=False)]
