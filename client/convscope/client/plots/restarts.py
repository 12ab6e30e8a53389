"""A picture of how the restarts of features ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import INK, checked_images, new_figure, show_image
from convscope.client.plots.verdicts import mark_verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convscope.client.results import LayerImages

__all__ = ["plot_restarts"]

# Rows and columns, at most: more would be too small to see on a page.
_MAX_ROWS, _MAX_COLUMNS = 40, 16


def plot_restarts(layer: LayerImages, *, smooth: bool = True, title: str | None = None) -> Figure:
    """A row of images for each feature: its restarts from the highest objective to the lowest, with their objectives.

    Args:
        layer: A layer's images, several for each feature. The first 40 features and best 16 restarts are drawn.
        smooth: Interpolate between pixels (spline16); else each pixel is a square.
        title: Above the grid. Default: the layer's name.

    Raises:
        InvalidValue: No image, or a shape that is no image.
        MissingExtra: matplotlib is not installed.
    """
    rows = [_best_first(layer, feature) for feature in np.unique(layer.features)[:_MAX_ROWS]]
    columns = max((len(row) for row in rows), default=0)
    if not columns:
        raise InvalidValue("layer: there are no images to draw")
    images = checked_images(layer.best.pixels)
    figure = new_figure(columns * 0.9 + 0.5, len(rows) * 1.1 + 0.45, title or layer.layer)
    for row, line in zip(rows, figure.subplots(len(rows), columns, squeeze=False), strict=True):
        for axes, place in zip(line, [*row, *[None] * (columns - len(row))], strict=True):
            if place is None:
                axes.set_axis_off()
                continue
            show_image(axes, images[place], smooth=smooth)
            axes.set_title(f"{layer.best.objective[place]:#.3g}", fontsize=7, color=INK, pad=2.5)
            mark_verdict(axes, layer.verdicts[place])
        line[0].set_ylabel(str(layer.features[row[0]]), fontsize=8, color=INK, rotation=0, labelpad=8, va="center")
    return figure


def _best_first(layer: LayerImages, feature: int) -> list[int]:
    """The places of a feature's images in the layer."""
    places = np.flatnonzero(layer.features == feature)
    order = np.argsort(-layer.best.objective[places], kind="stable")
    return [int(place) for place in places[order][:_MAX_COLUMNS]]
