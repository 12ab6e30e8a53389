"""A picture of the images of a layer's features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import checked_images
from convscope.client.plots.grid import Grid
from convscope.client.plots.verdicts import check_verdicts, warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from convscope.client.verdicts import Verdict

__all__ = ["plot_features"]

# Columns of a grid, at most, unless it would be higher than wide: more would be too small to see on a page.
_MAX_COLUMNS = 16
# Images and rows or columns that are drawn, at most: then images have still some 60 pixels, and numbers can be read.
_MAX_IMAGES, _MAX_ACROSS = 4096, 320


def plot_features(
    images: ArrayLike,
    features: Sequence[int] | Sequence[str] | NDArray[np.integer[Any]] | None = None,
    *,
    smooth: bool = True,
    title: str | None = None,
    columns: int | None = None,
    verdicts: Sequence[Verdict | None] | None = None,
) -> Figure:
    """Draw a grid of images, each titled with the number of its feature.

    Of more than 4096 images, or more than 320 rows, the first are drawn, and the title says how many there are.

    Args:
        images: [n, height, width] or [n, height, width, channels] with 1 or 3 channels, n >= 1, values 0 to 1.
        features: n feature numbers, or other labels above the images. Default: 0 to n - 1.
        smooth: Interpolate between pixels (spline16); else each pixel is a square.
        title: Above the grid.
        columns: Columns of the grid, 1 to 320. Default: as many as fill a wide rectangle with few empty places, or
            nearly a square where there are more than 256 images.
        verdicts: n verdicts; what is not normal is written below its image.

    Raises:
        InvalidValue: Lengths that differ, no image, another shape, or columns out of range.
        MissingExtra: matplotlib is not installed.
    """
    images = checked_images(images)
    numbers = range(len(images)) if features is None else features
    if len(numbers) != len(images):
        raise InvalidValue(f"features: {len(numbers)} numbers for {len(images)} images")
    check_verdicts(verdicts, len(images))
    columns = _columns(min(len(images), _MAX_IMAGES)) if columns is None else columns
    if not 1 <= columns <= _MAX_ACROSS:
        raise InvalidValue(f"columns: {columns} is not 1 to {_MAX_ACROSS}")
    count = min(len(images), _MAX_IMAGES, columns * _MAX_ACROSS)
    warnings = [warning(verdict) for verdict in (verdicts or [None] * count)[:count]]
    grid = Grid(
        math.ceil(count / columns),
        columns,
        images.shape[1:],
        side=0.8 if columns > 8 else 1.0,
        lines=max(len(text.splitlines()) for text in warnings),
        smooth=smooth,
        title=_title(title, count, len(images)),
    )
    for i, text in enumerate(warnings):
        grid.show(*divmod(i, columns), images[i], str(numbers[i]), text)
    return grid.figure


def _title(title: str | None, drawn: int, count: int) -> str | None:
    if drawn == count:
        return title
    return f"{title}: the first {drawn:,} of {count:,}" if title else f"the first {drawn:,} of {count:,}"


def _columns(count: int) -> int:
    """Return the columns of the grid with the fewest empty places: about 1.6 times as wide as high, square if large."""
    root = math.sqrt(count)
    most = _MAX_COLUMNS if count <= _MAX_COLUMNS**2 else math.ceil(1.25 * root)
    widths = range(min(math.ceil(root), most), min(count, most, math.ceil(2.6 * root)) + 1)
    return min(widths, key=lambda width: (-count % width, abs(width - 1.6 * root)))
