"""A picture of how the restarts of features ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import checked_images
from convscope.client.plots.grid import Grid
from convscope.client.plots.verdicts import warning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convscope.client.results import LayerImages

__all__ = ["plot_restarts"]

# Rows and columns, at most: more would be too small to see on a page.
_MAX_ROWS, _MAX_COLUMNS = 40, 16


def plot_restarts(layer: LayerImages, *, smooth: bool = True, title: str | None = None) -> Figure:
    """Draw a row of images for each feature: its restarts from the highest objective to the lowest, with the values.

    Beside the row is the feature's number; a custom objective has none.

    Args:
        layer: A layer's images, several for each feature. The first 40 features and best 16 restarts are drawn.
        smooth: Interpolate between pixels (spline16); else each pixel is a square.
        title: Above the grid. Default: the layer's name.

    Raises:
        InvalidValue: No image, or another shape.
        MissingExtra: matplotlib is not installed.
    """
    rows = [_best_first(layer, feature) for feature in np.unique(layer.features)[:_MAX_ROWS]]
    columns = max((len(row) for row in rows), default=0)
    if not columns:
        raise InvalidValue("layer: there are no images to draw")
    images = checked_images(layer.best.pixels)
    warnings = [warning(verdict) for verdict in layer.verdicts]
    grid = Grid(
        len(rows),
        columns,
        images.shape[1:],
        side=0.8,
        gap=0.1,
        left=0.09 if layer.is_objective else 0.5,
        lines=max(len(warnings[place].splitlines()) for row in rows for place in row),
        smooth=smooth,
        title=title or layer.layer,
    )
    for i, row in enumerate(rows):
        if not layer.is_objective:
            grid.name_row(i, str(layer.features[row[0]]))
        for column, place in enumerate(row):
            grid.show(i, column, images[place], f"{layer.best.objective[place]:z#.3g}", warnings[place])
    return grid.figure


def _best_first(layer: LayerImages, feature: int) -> list[int]:
    """Return the places of a feature's images in the layer."""
    places = np.flatnonzero(layer.features == feature)
    order = np.argsort(-layer.best.objective[places], kind="stable")
    return [int(place) for place in places[order][:_MAX_COLUMNS]]
