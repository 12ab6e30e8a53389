"""Many training steps in one compiled function.

A step's batch is cut into shards that are computed side by side, each on one thread; the gradients of the shards are
added in their order, so the bits depend on the number of shards and on nothing else.
"""

from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.data import Split
from convscope.engine.settings import Precision
from convscope.engine.training.adam import FusedAdam
from convscope.engine.training.forward import Forward

__all__ = ["Steps", "shard_sizes"]

# With fewer images a shard's fixed costs (a gradient of every weight, to be added up) outweigh the second thread.
MIN_SHARD: Final = 8


def shard_sizes(batch_size: int, threads: int) -> list[int]:
    """Return how many images of a batch each shard has: as equal as can be, at most one shard for each thread."""
    shards = max(1, min(threads, batch_size // MIN_SHARD))
    return [batch_size // shards + (shard < batch_size % shards) for shard in range(shards)]


class Steps:
    """Training steps of one model on one split, compiled."""

    def __init__(
        self, model: keras.Model, split: Split, *, batch_size: int, precision: Precision, threads: int
    ) -> None:
        self._forward = Forward(model)
        self._adam = FusedAdam(model)
        self._weights = [variable.value for variable in model.trainable_variables]
        self._type = tf.as_dtype(precision)
        self._batch_size = batch_size
        self._shards = shard_sizes(batch_size, threads)
        self._images = tf.constant(split.images)
        self._labels = tf.constant(split.labels)
        batches, batch = tf.TensorSpec([None, batch_size], tf.int32), tf.TensorSpec([batch_size], tf.int32)
        self._compiled_run = tf.function(self._run, autograph=False).get_concrete_function(batches)
        self._compiled_accuracy = tf.function(self._accuracy, autograph=False).get_concrete_function(batch)

    def run(self, batches: npt.NDArray[np.int32]) -> tuple[int, float]:
        """Do a step for each batch of example numbers, int32 [steps, batch_size].

        Stops early after a step whose loss is no finite number. Returns the number of steps done, and the mean
        cross-entropy of the last one's batch before its update, in nats.
        """
        done, loss = self._compiled_run(tf.constant(batches))
        return int(done), float(loss)

    def accuracy(self, batch: npt.NDArray[np.int32]) -> float:
        """Return the share of a batch, int32 [batch_size], that is classified right; computed in float32."""
        return int(self._compiled_accuracy(tf.constant(batch))) / self._batch_size

    def _run(self, batches: Any) -> tuple[Any, Any]:
        steps = tf.shape(batches)[0]

        def unfinished(step: Any, loss: Any) -> Any:
            return tf.logical_and(step < steps, tf.math.is_finite(loss))

        def body(step: Any, _: Any) -> tuple[Any, Any]:
            loss, updates = self._step(batches[step])
            with tf.control_dependencies(updates):
                return step + 1, tf.identity(loss)

        done, loss = tf.while_loop(unfinished, body, (tf.constant(0), tf.constant(0.0)), parallel_iterations=1)
        return done, loss

    def _step(self, batch: Any) -> tuple[Any, list[Any]]:
        weights = [tf.cast(weight, self._type) for weight in self._weights]
        losses, gradients = zip(*(self._gradient(shard, weights) for shard in self._cut(batch)), strict=True)
        totals = [tf.add_n([tf.cast(part, tf.float32) for part in parts]) for parts in zip(*gradients, strict=True)]
        return tf.add_n(losses), self._adam.apply(totals)

    def _gradient(self, shard: Any, weights: Sequence[Any]) -> tuple[Any, Any]:
        """Return a shard's part of the batch's mean cross-entropy, and its gradient by the weights."""
        images, labels = self._examples(shard, self._type)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = tf.cast(self._forward(images, weights), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_sum(losses) / self._batch_size
        return loss, tape.gradient(loss, weights)

    def _accuracy(self, batch: Any) -> Any:
        weights = [tf.identity(weight) for weight in self._weights]
        return tf.add_n([self._right(shard, weights) for shard in self._cut(batch)])

    def _right(self, shard: Any, weights: Sequence[Any]) -> Any:
        images, labels = self._examples(shard, tf.float32)
        predicted = tf.argmax(self._forward(images, weights), axis=-1, output_type=labels.dtype)
        return tf.math.count_nonzero(predicted == labels)

    def _cut(self, batch: Any) -> Any:
        return tf.split(batch, self._shards)

    def _examples(self, shard: Any, dtype: Any) -> tuple[Any, Any]:
        images = tf.cast(tf.gather(self._images, shard), tf.float32) / 255.0
        return tf.cast(images, dtype), tf.gather(self._labels, shard)
