"""The examples of each training step."""

import numpy as np
import numpy.typing as npt

from convscope.engine.runtime.randomness import generator

__all__ = ["BatchStream"]


class BatchStream:
    """An endless stream of examples: one permutation of all of them after another, cut into batches.

    Step s takes the examples from position s * batch_size on. So the batch is a function of seed, batch size and step,
    and a training can resume at any step.
    """

    def __init__(self, examples: int, batch_size: int, seed: int) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._seed = seed
        self._cached: dict[int, npt.NDArray[np.int32]] = {}

    def batches(self, step: int, count: int) -> npt.NDArray[np.int32]:
        """Return the example numbers of ``count`` steps from ``step`` on, int32 [count, batch_size]."""
        start, stop = step * self._batch_size, (step + count) * self._batch_size
        epochs = range(start // self._examples, -(-stop // self._examples))
        self._cached = {epoch: self._permutation(epoch) for epoch in epochs}
        stream = np.concatenate(list(self._cached.values()))
        offset = epochs.start * self._examples
        return stream[start - offset : stop - offset].reshape(count, self._batch_size)

    def _permutation(self, epoch: int) -> npt.NDArray[np.int32]:
        if epoch in self._cached:
            return self._cached[epoch]
        return generator("batches", self._seed, epoch).permutation(np.arange(self._examples, dtype=np.int32))
