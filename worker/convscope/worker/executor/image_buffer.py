"""Images on their way from the computation to the log: those of a chunk are written together."""

from dataclasses import replace

from convscope.store import Image
from convscope.worker.executor.context import AttemptContext, CancelledError

__all__ = ["ImageBuffer"]

# Images that are held back at most.
MOST = 64


class ImageBuffer:
    """Holds images back until the computation pauses: between two chunks, it does.

    Args:
        context: where they go.
        kept: how many images of the part are stored already.
    """

    def __init__(self, context: AttemptContext, kept: int) -> None:
        self._reporter = context
        self._kept = kept
        self._images: list[Image] = []
        self._counted = 0

    def count(self) -> int:
        """Count an image that is not stored itself, but the part's candidate for it; returns how many now are."""
        self._kept += 1
        return self._kept

    def add(self, image: Image, data: bytes, *, counted: bool = False) -> None:
        """Store an image; its event follows.

        Args:
            image: without its blob.
            data: its blob.
            counted: whether it was counted when its candidate was stored.
        """
        self._images.append(replace(image, blob=self._reporter.attempt.put(data)))
        self._counted += counted
        if len(self._images) >= MOST:
            self.flush()

    def pulse(self) -> None:
        """Write what was held back, then see whether the computation is to stop: see ``AttemptContext.pulse``."""
        self.flush()
        self._reporter.pulse()

    def flush(self) -> None:
        """Write the events of the images that were held back.

        Raises:
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        images, self._images = self._images, []
        if not images:
            return
        self._kept += len(images) - self._counted
        self._counted = 0
        if self._reporter.attempt.report_images(images, self._kept).cancel_requested:
            raise CancelledError
