"""How many images may climb at once, so that they fit in the worker's memory."""

import logging
from dataclasses import dataclass
from typing import Final

from convscope.engine.errors import ComputationError
from convscope.engine.runtime.memory import in_units
from convscope.engine.visualization.ascent.chunks import halved
from convscope.engine.visualization.target import Target

__all__ = ["Fit", "Fitting", "fit"]

logger = logging.getLogger(__name__)

# Upper bounds, which are computed beside the images, take as much as one of them.
BESIDES: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Images in a batch, and batches side by side."""

    rows: int
    lanes: int


def fit(*, rows: int, items: int, threads: int, divisible: bool, most: int) -> Fit | None:
    """Return what fits of the batches that are planned: their rows, and how many climb side by side.

    Fewer climb at once before they are halved, as they are after an error: an image's last bits depend on the rows, and
    not on what climbs beside its batch. For the same reason this is a function of the target and the limit alone.

    Args:
        rows: planned for a batch.
        items: ascents of the target, asked for or not.
        threads: most batches side by side.
        divisible: whether batches may be cut.
        most: images that fit in memory; with 0, or too few for a batch that may not be cut, None is returned.
    """
    while rows > max(most, 1) and divisible:
        rows = halved(rows)
    lanes = min(_lanes(rows, items, threads), most // rows)
    return Fit(rows=rows, lanes=lanes) if lanes else None


def _lanes(rows: int, items: int, threads: int) -> int:
    return min(threads, -(-items // rows))


class Fitting:
    """Fits batches in a limit, and says once for each target where they had to be cut.

    Args:
        threads: most batches side by side.
        limit: bytes for all that climb at once.
    """

    def __init__(self, threads: int, limit: int) -> None:
        self._threads = threads
        self._limit = limit
        self._told: set[tuple[str, int, int]] = set()

    def __call__(self, target: Target, rows: int, restarts: int, frames: int = 0) -> Fit:
        """Return what fits of a target's batches, where each image keeps so many frames.

        Raises ComputationError if not even one image fits.
        """
        items, each = target.features * restarts, target.bytes_per_image + frames * target.image_bytes
        most = max(0, self._limit // each - BESIDES)
        found = fit(rows=rows, items=items, threads=self._threads, divisible=target.divisible, most=most)
        if found is None:
            raise ComputationError(self._too_little(target, rows, each))
        wanted = Fit(rows=rows, lanes=_lanes(rows, items, self._threads))
        if found != wanted and (target.name, rows, items) not in self._told:
            self._told.add((target.name, rows, items))
            self._tell(target, wanted, found, each)
        return found

    def _too_little(self, target: Target, rows: int, each: int) -> str:
        whole = not target.divisible
        what = f"the {rows} images of {target.name!r}, which look at each other, need" if whole else "an image needs"
        need = in_units(each * (BESIDES + (rows if whole else 1)))
        where = "" if whole else f" to climb towards {target.name!r}"
        return f"{what} {need} of memory{where}, and the worker may take {in_units(self._limit)} (CONVSCOPE_MEMORY)"

    def _tell(self, target: Target, wanted: Fit, found: Fit, each: int) -> None:
        logger.warning(
            "%d x %d images of %s would take %s of memory, more than the %s of this worker; going on with %d x %d",
            wanted.lanes,
            wanted.rows,
            target.name,
            in_units((BESIDES + wanted.lanes * wanted.rows) * each),
            in_units(self._limit),
            found.lanes,
            found.rows,
        )
