"""Buffer of computed images, so that those of a chunk are written together."""

from dataclasses import replace

from convscope.store import Image
from convscope.worker.executor.context import AttemptContext, CancelledError

__all__ = ["ImageBuffer"]

# Images that are buffered at most.
MOST = 64

# How long a pulse waits for the disk, in seconds: longer than most disks take.
DISK_S = 0.01


class ImageBuffer:
    """Buffers images until the computation pauses, as it does between two chunks.

    Args:
        context: of the attempt.
        kept: number of the part's images that are stored already.
    """

    def __init__(self, context: AttemptContext, kept: int) -> None:
        self._context = context
        self._kept = kept
        self._images: list[Image] = []
        self._counted = 0

    def count(self) -> int:
        """Count an image whose candidate is stored instead of itself, and return how many are stored now."""
        self._kept += 1
        return self._kept

    def add(self, image: Image, data: bytes, *, counted: bool = False) -> None:
        """Store an image; its event follows.

        Args:
            image: the image without its blob.
            data: content of its blob.
            counted: whether it was counted when its candidate was stored.
        """
        self._images.append(replace(image, blob=self._context.attempt.put(data)))
        self._counted += counted
        if len(self._images) >= MOST:
            self.flush()

    def pulse(self) -> None:
        """Write the buffered images, then call ``AttemptContext.pulse``, which may stop the computation.

        If the disk is slow, they are written at a later pulse: the computation does not wait for it.
        """
        if self._context.attempt.can_refer([image.blob for image in self._images], DISK_S):
            self.flush()
        self._context.pulse()

    def flush(self) -> None:
        """Write the events of the buffered images.

        Raises:
            CancelledError: if the job was asked to stop.
            StaleAttemptError: if another attempt has taken over.
        """
        images, self._images = self._images, []
        if not images:
            return
        self._kept += len(images) - self._counted
        self._counted = 0
        if self._context.attempt.report_images(images, self._kept).cancel_requested:
            raise CancelledError
