"""A picture of several layers at a glance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import checked_images, new_figure, show_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["plot_overview"]

# Height of a band's title, in inches.
_TITLE = 0.4


def plot_overview(bands: Mapping[str, ArrayLike], *, columns: int = 10, rows: int = 2) -> Figure:
    """The first images of several layers, one band of images below the other.

    Args:
        bands: For each band its title and its images: [n, height, width] or [n, height, width, channels] with 1 or 3
            channels, n >= 1, values 0 to 1.
        columns: Images in a row, at least 1.
        rows: Rows of a band at most, at least 1; images beyond them are left out.

    Raises:
        InvalidValue: No band, a number below 1, or a shape that is no image.
        MissingExtra: matplotlib is not installed.
    """
    if not bands or columns < 1 or rows < 1:
        raise InvalidValue("bands: give at least one, and at least one column and row")
    images = {title: checked_images(band)[: columns * rows] for title, band in bands.items()}
    heights = [math.ceil(len(band) / columns) for band in images.values()]
    figure = new_figure(columns, sum(heights) + _TITLE * len(images))
    parts = figure.subfigures(len(images), 1, height_ratios=[height + _TITLE for height in heights], squeeze=False)
    for part, height, (title, band) in zip(parts.flat, heights, images.items(), strict=True):
        part.suptitle(title, fontsize=10, color="0.35", parse_math=False)
        for i, axes in enumerate(part.subplots(height, columns, squeeze=False).flat):
            if i < len(band):
                show_image(axes, band[i], smooth=True)
            else:
                axes.set_axis_off()
    return figure
