"""Features whose restarts span several parts: each part stores its best one, and the last part chooses among them."""

import numpy as np

from convscope.engine.visualization import best_of_runs
from convscope.engine.visualization.restarts import Objectives
from convscope.store import BlobDamagedError, BlobError, Candidate, read_candidates, ready_images
from convscope.v1.visualize_pb2 import Image
from convscope.worker.executor import convert
from convscope.worker.executor.context import AttemptContext, CancelledError

__all__ = ["Candidates"]


class Candidates:
    """The candidates of a job's images.

    Args:
        context: of the attempt.
        restarts: number of restarts of each feature.
    """

    def __init__(self, context: AttemptContext, restarts: int) -> None:
        self._context = context
        self._restarts = restarts

    def has(self, number: int, restarts: range) -> bool:
        """Return whether the best of these restarts is stored already for an image."""
        return any(candidate.first == restarts.start for candidate in self._read(number))

    def add(self, number: int, restarts: range, best: Image, kept: int) -> None:
        """Store the best of some restarts of a feature.

        Args:
            number: number of the feature's image.
            restarts: their numbers.
            best: the best of them, with its cache key if it may have one.
            kept: images of the part that are stored, this one included: see ``Attempt.report_candidate``.

        Raises:
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        blob = self._context.attempt.put(best.SerializeToString(deterministic=True))
        candidate = Candidate(number=number, first=restarts.start, restarts=len(restarts), blob=blob)
        if self._context.attempt.report_candidate(candidate, kept).cancel_requested:
            raise CancelledError

    def best(self, number: int) -> Image | None:
        """Return an image as if one part had computed all restarts of its feature; None if some are still missing.

        Several executors may choose at the same time, and choose alike. None, too, if another one has stored the image.

        Raises:
            BlobError: if a candidate cannot be read.
        """
        candidates = self._read(number)
        if sum(candidate.restarts for candidate in candidates) < self._restarts:
            return None
        try:
            runs = [(image.cache_key, _objectives(image)) for image in map(self._image, candidates)]
            chosen, spread = best_of_runs([objectives for _, objectives in runs])
            best = self._image(candidates[chosen])
        except BlobDamagedError as error:
            if any(ready_images(self._context.redis, self._context.attempt.job_id, [number])):
                return None  # its candidates are no longer needed
            raise BlobError(str(error)) from error  # not a fault of the model's file
        best.spread.CopyFrom(convert.spread(spread))
        if not all(cache_key for cache_key, _ in runs):
            best.ClearField("cache_key")  # best and spread depend on runs without a cache key
        return best

    def _read(self, number: int) -> list[Candidate]:
        return read_candidates(self._context.redis, self._context.attempt.job_id, number)

    def _image(self, candidate: Candidate) -> Image:
        return Image.FromString(self._context.blobs.get(candidate.blob))


def _objectives(image: Image) -> Objectives:
    return np.frombuffer(image.spread.objectives.data, "<f4").astype(np.float32)
