"""Features whose restarts several parts compute: each stores the best of its own, and whoever is last chooses."""

import numpy as np

from convscope.engine.visualization import best_of_runs
from convscope.engine.visualization.restarts import Objectives
from convscope.store import Candidate, read_candidates
from convscope.store.errors import BlobDamagedError, BlobError
from convscope.store.jobs.images import ready_images
from convscope.v1.visualize_pb2 import Image
from convscope.worker.executor import convert
from convscope.worker.executor.context import AttemptContext, CancelledError

__all__ = ["Candidates"]


class Candidates:
    """The candidates of a job's images.

    Args:
        context: where they go.
        restarts: how many each feature has.
    """

    def __init__(self, context: AttemptContext, restarts: int) -> None:
        self._reporter = context
        self._restarts = restarts

    def has(self, number: int, restarts: range) -> bool:
        """Whether the best of some restarts is stored already for an image."""
        return any(each.first == restarts.start for each in self._read(number))

    def add(self, number: int, restarts: range, best: Image, kept: int) -> None:
        """Store the best of some restarts of an image's feature, with the image's name if it may have it.

        Args:
            number: the image's.
            restarts: which ones.
            best: the best of them.
            kept: how much of the part is stored with it: see ``Attempt.report_candidate``.

        Raises:
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        blob = self._reporter.attempt.put(best.SerializeToString(deterministic=True))
        candidate = Candidate(number=number, first=restarts.start, restarts=len(restarts), blob=blob)
        if self._reporter.attempt.report_candidate(candidate, kept).cancel_requested:
            raise CancelledError

    def best(self, number: int) -> Image | None:
        """Return an image as if one part had computed all restarts of its feature; None if it cannot be told yet.

        Several horses may ask at the same time, and get the same. None, too, if another one has stored the image.

        Raises:
            BlobError: if a candidate cannot be read.
        """
        found = self._read(number)
        if sum(each.restarts for each in found) < self._restarts:
            return None
        try:
            runs = [(image.cache_key, _objectives(image)) for image in map(self._image, found)]
            chosen, spread = best_of_runs([objectives for _, objectives in runs])
            best = self._image(found[chosen])
        except BlobDamagedError as error:
            if any(ready_images(self._reporter.redis, self._reporter.attempt.job_id, [number])):
                return None  # whose candidates are needed no more
            raise BlobError(str(error)) from error  # no fault of the model's file
        best.spread.CopyFrom(convert.spread(spread))
        if not all(name for name, _ in runs):
            best.ClearField("cache_key")  # the best of all, and their spread, owe something to runs without one
        return best

    def _read(self, number: int) -> list[Candidate]:
        return read_candidates(self._reporter.redis, self._reporter.attempt.job_id, number)

    def _image(self, candidate: Candidate) -> Image:
        return Image.FromString(self._reporter.blobs.get(candidate.blob))


def _objectives(image: Image) -> Objectives:
    return np.frombuffer(image.spread.objectives.data, "<f4").astype(np.float32)
