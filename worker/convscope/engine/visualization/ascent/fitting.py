"""Sizes of batches and their concurrency, so that ascents fit in the worker's memory."""

import logging
from dataclasses import dataclass
from typing import Final

from convscope.engine.errors import ComputationError
from convscope.engine.runtime.memory import in_units
from convscope.engine.visualization.ascent.chunks import halved
from convscope.engine.visualization.target import Target

__all__ = ["Fit", "Fitting", "fit"]

log = logging.getLogger(__name__)

# Memory of upper bounds, which are computed at the same time, in images.
OVERHEAD_IMAGES: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Images in a batch (``rows``), and batches at the same time (``concurrency``)."""

    rows: int
    concurrency: int


def fit(*, rows: int, items: int, threads: int, divisible: bool, most: int) -> Fit | None:
    """Return the batches that fit in memory: their rows and concurrency.

    Concurrency is reduced before batches are halved, since an image's last bits depend on the rows, and not on other
    batches. For the same reason this is a function of the target and the limit alone.

    Args:
        rows: planned for a batch.
        items: ascents of the target, requested or not.
        threads: bound of the concurrency.
        divisible: whether batches may be cut.
        most: images that fit in memory.

    Returns:
        None if not a single image fits, or not the whole of a batch that may not be cut.
    """
    while rows > max(most, 1) and divisible:
        rows = halved(rows)
    concurrency = min(_concurrency(rows, items, threads), most // rows)
    return Fit(rows=rows, concurrency=concurrency) if concurrency else None


def _concurrency(rows: int, items: int, threads: int) -> int:
    return min(threads, -(-items // rows))


class Fitting:
    """Fits batches in a limit, and warns once for each target where they are reduced.

    Args:
        threads: bound of the concurrency.
        limit: of the memory of all concurrent ascents, in bytes.
    """

    def __init__(self, threads: int, limit: int) -> None:
        self._threads = threads
        self._limit = limit
        self._warned: set[tuple[str, int, int]] = set()

    def __call__(self, target: Target, rows: int, restarts: int, frames: int = 0) -> Fit:
        """Return the rows and concurrency of a target's batches that fit.

        Args:
            target: of the ascents.
            rows: planned for a batch.
            restarts: of each feature.
            frames: intermediate images that are kept for each image.

        Raises:
            ComputationError: if not even one image fits.
        """
        items, image_bytes = target.features * restarts, target.bytes_per_image + frames * target.image_bytes
        most = max(0, self._limit // image_bytes - OVERHEAD_IMAGES)
        fitting = fit(rows=rows, items=items, threads=self._threads, divisible=target.divisible, most=most)
        if fitting is None:
            raise ComputationError(self._too_little(target, rows, image_bytes))
        wanted = Fit(rows=rows, concurrency=_concurrency(rows, items, self._threads))
        if fitting != wanted and (target.name, rows, items) not in self._warned:
            self._warned.add((target.name, rows, items))
            self._warn(target, wanted, fitting, image_bytes)
        return fitting

    def _too_little(self, target: Target, rows: int, image_bytes: int) -> str:
        whole = not target.divisible
        what = f"the {rows} images of {target.name!r}, which depend on each other, need" if whole else "an image needs"
        need = in_units(image_bytes * (OVERHEAD_IMAGES + (rows if whole else 1)))
        where = "" if whole else f" for {target.name!r}"
        return f"{what} {need} of memory{where}, and the worker may take {in_units(self._limit)} (CONVSCOPE_MEMORY)"

    def _warn(self, target: Target, wanted: Fit, fitting: Fit, image_bytes: int) -> None:
        log.warning(
            "%d x %d images of %s would take %s of memory, more than the %s of this worker; continuing with %d x %d",
            wanted.concurrency,
            wanted.rows,
            target.name,
            in_units((OVERHEAD_IMAGES + wanted.concurrency * wanted.rows) * image_bytes),
            in_units(self._limit),
            fitting.concurrency,
            fitting.rows,
        )
