"""A picture of several layers at a glance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import checked_images
from convscope.client.plots.grid import fitted
from convscope.client.plots.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["plot_overview"]

# Inches: height of a band's title, and the longer side of an image, each of which has a square inch.
_TITLE, _SIDE = 0.4, 0.9


def plot_overview(bands: Mapping[str, ArrayLike], *, columns: int = 10, rows: int = 2) -> Figure:
    """Draw the first images of several layers, one band of images below the other.

    Args:
        bands: For each band its title and its images: [n, height, width] or [n, height, width, channels] with 1 or 3
            channels, n >= 1, values 0 to 1.
        columns: Images in a row, at least 1.
        rows: Rows of a band at most, at least 1; images beyond them are left out.

    Raises:
        InvalidValue: No band, a number below 1, or another shape of images.
        MissingExtra: matplotlib is not installed.
    """
    if not bands or columns < 1 or rows < 1:
        raise InvalidValue("bands: give at least one, and at least one column and row")
    images = {title: checked_images(band)[: columns * rows] for title, band in bands.items()}
    heights = [math.ceil(len(band) / columns) for band in images.values()]
    sheet, top = Sheet(columns, sum(heights) + _TITLE * len(images)), 0.0
    for height, (title, band) in zip(heights, images.items(), strict=True):
        _draw_band(sheet, top, title, band, columns)
        top += _TITLE + height
    return sheet.figure


def _draw_band(sheet: Sheet, top: float, title: str, band: NDArray[Any], columns: int) -> None:
    sheet.write(title, columns / 2, top + _TITLE / 2, 10, color="0.35", va="center")
    size = fitted(band.shape[1:], _SIDE)
    for i, image in enumerate(band):
        row, column = divmod(i, columns)
        left, above = (1 - size[0]) / 2, (1 - size[1]) / 2
        sheet.show(image, column + left, top + _TITLE + row + above, size, smooth=True)
