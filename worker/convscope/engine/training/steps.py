"""Many training steps in one compiled function.

A step's batch is cut into shards that are computed in parallel, each on one thread; the gradients of the shards are
added in their order, so the bits depend only on the number of shards.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convscope.engine.data import Split
from convscope.engine.runtime.caches import COMPILED_BYTES, Caches
from convscope.engine.settings import Precision
from convscope.engine.training.adam import FusedAdam
from convscope.engine.training.forward import Forward

__all__ = ["Steps", "shard_sizes"]

# With fewer images a shard's fixed costs (adding a gradient of every weight) outweigh the second thread.
MIN_SHARD: Final = 8


def shard_sizes(batch_size: int, threads: int) -> list[int]:
    """Return how many images of a batch each shard has: as equal as possible, at most one shard for each thread."""
    shards = max(1, min(threads, batch_size // MIN_SHARD))
    return [batch_size // shards + (shard < batch_size % shards) for shard in range(shards)]


class Examples:
    """A split as tensors."""

    def __init__(self, split: Split) -> None:
        self.split = split  # its identity is the key in the caches, so it must not be freed
        self.images = tf.constant(split.images)
        self.labels = tf.constant(split.labels)

    @property
    def size_bytes(self) -> int:
        """Memory of the tensors, in bytes."""
        return int(self.split.images.nbytes + self.split.labels.nbytes)


class Given(NamedTuple):
    """Arguments of the compiled functions: a split's tensors, and the variables of optimizer and model."""

    images: Any
    labels: Any
    optimizer: tuple[Any, ...]
    weights: tuple[Any, ...]


class Steps:
    """Training steps of one model on one split, compiled.

    Args:
        model: made by ``build_network``.
        split: to train on.
        batch_size: images a step.
        precision: of the forward and the backward pass.
        threads: that compute in parallel.
        caches: of compiled functions, which all models and splits of the same shapes share.

    Raises:
        ModelFileError: for a model that ``build_network`` did not make.
    """

    def __init__(
        self,
        model: keras.Model,
        split: Split,
        *,
        batch_size: int,
        precision: Precision,
        threads: int,
        caches: Caches | None = None,
    ) -> None:
        caches = caches or Caches()
        forward, adam = Forward(model), FusedAdam.of(model)
        examples = caches.get(("examples", id(split)), lambda: Examples(split))
        self._given = given = Given(
            images=examples.images,
            labels=examples.labels,
            optimizer=tuple(adam.state(model)),
            weights=tuple(variable.value for variable in model.trainable_variables),
        )
        self._batch_size = batch_size
        shards = tuple(shard_sizes(batch_size, threads))
        shapes = tuple((tuple(tensor.shape), tensor.dtype.name) for tensor in tf.nest.flatten(given))
        key = ("steps", forward.key, adam, shapes, shards, precision)
        self._compiled = caches.get(key, lambda: CompiledSteps(forward, adam, shards, precision, given))

    def run(self, batches: npt.NDArray[np.int32]) -> tuple[int, float]:
        """Do a step for each batch of example numbers, int32 [steps, batch_size].

        Stops early after a step whose loss is not finite.

        Returns:
            The number of steps done, and the mean cross-entropy of the last step's batch before its update, in nats.
        """
        done, loss = self._compiled.run(tf.constant(batches), self._given)
        return int(done), float(loss)

    def accuracy(self, batch: npt.NDArray[np.int32]) -> float:
        """Return the accuracy on a batch, int32 [batch_size], 0 to 1; computed in float32."""
        return int(self._compiled.accuracy(tf.constant(batch), self._given)) / self._batch_size


class CompiledSteps:
    """Training steps as compiled functions of batches, data and variables.

    Args:
        forward: the model as a function.
        adam: the update.
        shards: images in each part of a batch.
        precision: of the forward and the backward pass.
        given: data and variables of the same shapes and types as the later arguments.
    """

    size_bytes: Final = 2 * COMPILED_BYTES

    def __init__(
        self, forward: Forward, adam: FusedAdam, shards: Sequence[int], precision: Precision, given: Given
    ) -> None:
        self._forward = forward
        self._adam = adam
        self._shards = list(shards)
        self._batch_size = sum(shards)
        self._type = tf.as_dtype(precision)
        batches, batch = tf.TensorSpec([None, self._batch_size], tf.int32), tf.TensorSpec([self._batch_size], tf.int32)
        self.run = tf.function(self._run, autograph=False).get_concrete_function(batches, given)
        self.accuracy = tf.function(self._accuracy, autograph=False).get_concrete_function(batch, given)

    def _run(self, batches: Any, given: Given) -> tuple[Any, Any]:
        steps = tf.shape(batches)[0]

        def unfinished(step: Any, loss: Any) -> Any:
            return tf.logical_and(step < steps, tf.math.is_finite(loss))

        def body(step: Any, _: Any) -> tuple[Any, Any]:
            loss, updates = self._step(batches[step], given)
            with tf.control_dependencies(updates):
                return step + 1, tf.identity(loss)

        done, loss = tf.while_loop(unfinished, body, (tf.constant(0), tf.constant(0.0)), parallel_iterations=1)
        return done, loss

    def _step(self, batch: Any, given: Given) -> tuple[Any, list[Any]]:
        weights = [tf.cast(weight, self._type) for weight in given.weights]
        losses, gradients = zip(*(self._gradient(shard, weights, given) for shard in self._cut(batch)), strict=True)
        totals = [tf.add_n([tf.cast(part, tf.float32) for part in parts]) for parts in zip(*gradients, strict=True)]
        return tf.add_n(losses), self._adam.apply(given.optimizer, given.weights, totals)

    def _gradient(self, shard: Any, weights: Sequence[Any], given: Given) -> tuple[Any, Any]:
        """Return a shard's part of the batch's mean cross-entropy, and its gradient with respect to the weights."""
        images, labels = _examples(shard, given, self._type)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            logits = tf.cast(self._forward(images, weights), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_sum(losses) / self._batch_size
        return loss, tape.gradient(loss, weights)

    def _accuracy(self, batch: Any, given: Given) -> Any:
        weights = [tf.identity(weight) for weight in given.weights]
        return tf.add_n([self._correct(shard, weights, given) for shard in self._cut(batch)])

    def _correct(self, shard: Any, weights: Sequence[Any], given: Given) -> Any:
        images, labels = _examples(shard, given, tf.float32)
        predicted = tf.argmax(self._forward(images, weights), axis=-1, output_type=labels.dtype)
        return tf.math.count_nonzero(predicted == labels)

    def _cut(self, batch: Any) -> Any:
        return tf.split(batch, self._shards)


def _examples(shard: Any, given: Given, dtype: Any) -> tuple[Any, Any]:
    images = tf.cast(tf.gather(given.images, shard), tf.float32) / 255.0
    return tf.cast(images, dtype), tf.gather(given.labels, shard)
