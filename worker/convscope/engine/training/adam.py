"""Adam in one operation per variable, on the Keras optimizer's own state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from convscope.engine.errors import ModelFileError

__all__ = ["FusedAdam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedAdam:
    """Applies the update of Kingma and Ba (2015, section 2, its efficient form), as ``keras.optimizers.Adam`` does.

    The moments, the step count and the learning rate are the optimizer's variables, so that a saved model resumes
    exactly. They are arguments, since one compiled function serves many models.
    """

    beta_1: float
    beta_2: float
    epsilon: float

    @classmethod
    def of(cls, model: keras.Model) -> "FusedAdam":
        """Return the update of a model.

        Raises:
            ModelFileError: if it was compiled with anything but plain Adam.
        """
        optimizer = model.optimizer
        if type(optimizer) is not keras.optimizers.Adam or optimizer.amsgrad:
            raise ModelFileError("the model has no Adam optimizer, so its training cannot be continued")
        optimizer.build(model.trainable_variables)
        return cls(beta_1=optimizer.beta_1, beta_2=optimizer.beta_2, epsilon=optimizer.epsilon)

    @staticmethod
    def state(model: keras.Model) -> list[Any]:
        """Return the optimizer's variables: the step count, the learning rate, two moments of each weight in turn."""
        return [variable.value for variable in model.optimizer.variables]

    def apply(self, state: Sequence[Any], weights: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
        """Return the operations that update each variable by its float32 gradient and count the step."""
        iterations, learning_rate, *slots = state
        step = tf.cast(iterations, tf.float32) + 1.0
        settings = {
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "lr": learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epsilon": self.epsilon,
        }
        updates = [
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=first.handle, v=second.handle, grad=gradient, **settings
            )
            for variable, first, second, gradient in zip(weights, slots[::2], slots[1::2], gradients, strict=True)
        ]
        with tf.control_dependencies([step]):
            return [*updates, iterations.assign_add(1, read_value=False)]
