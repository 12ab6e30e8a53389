"""Pictures of images: one, nine with their classes, or a layer's features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import GREY, INK, checked_images, new_figure, show_image
from convscope.client.plots.verdicts import check_verdicts, mark_verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from convscope.client.verdicts import Verdict

__all__ = ["plot_features", "plot_image", "plot_images"]

# Columns of a feature grid, at most: more would be too small to see on a page.
_MAX_COLUMNS = 16


def plot_image(image: ArrayLike, *, title: str | None = None, smooth: bool = False) -> Figure:
    """One image, [height, width] or [height, width, channels] with 1 or 3 channels, values 0 to 1.

    Raises:
        InvalidValue: Another shape.
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(3.2, 3.5 if title else 3.2, title)
    show_image(figure.subplots(), checked_images(np.asarray(image)[np.newaxis])[0], smooth=smooth)
    return figure


def plot_images(
    images: ArrayLike, cls_true: Sequence[Any], cls_pred: Sequence[Any] | None = None, *, smooth: bool = False
) -> Figure:
    """Up to nine images in a 3x3 grid, with the true and the predicted class of each below it.

    Args:
        images: [n, height, width] or [n, height, width, channels], n <= 9, values 0 to 1.
        cls_true: n classes, numbers or names.
        cls_pred: n classes; None leaves the prediction out.
        smooth: Interpolate between pixels.

    Raises:
        InvalidValue: Lengths that differ, more than nine images, or a shape that is no image.
        MissingExtra: matplotlib is not installed.
    """
    images = np.asarray(images)
    if len(images) > 9 or len(images) != len(cls_true) or (cls_pred is not None and len(cls_pred) != len(images)):
        raise InvalidValue("images: give at most 9, and as many classes as images")
    labels = [f"True: {true}" for true in cls_true]
    if cls_pred is not None:
        labels = [f"{label}, Pred: {predicted}" for label, predicted in zip(labels, cls_pred, strict=True)]
    figure = new_figure(5.4, 5.8)
    for i, axes in enumerate(figure.subplots(3, 3).flat):
        if i < len(images):
            show_image(axes, checked_images(images)[i], smooth=smooth)
            axes.set_xlabel(labels[i], color=INK, fontsize=10, labelpad=5)
        else:
            axes.set_axis_off()
    if not len(images):
        figure.text(0.5, 0.5, "nothing to show", ha="center", color=GREY)
    return figure


def plot_features(
    images: ArrayLike,
    features: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    *,
    smooth: bool = True,
    title: str | None = None,
    columns: int | None = None,
    verdicts: Sequence[Verdict | None] | None = None,
) -> Figure:
    """A grid of images, each titled with the number of its feature.

    Args:
        images: [n, height, width] or [n, height, width, channels] with 1 or 3 channels, n >= 1, values 0 to 1.
        features: n feature numbers. Default: 0 to n - 1.
        smooth: Interpolate between pixels (spline16); else each pixel is a square.
        title: Above the grid.
        columns: Columns of the grid. Default: as many as fill a wide rectangle with few empty places.
        verdicts: n verdicts; what is not normal is written below its image.

    Raises:
        InvalidValue: Lengths that differ, no image, or a shape that is no image.
        MissingExtra: matplotlib is not installed.
    """
    images = checked_images(images)
    numbers = range(len(images)) if features is None else features
    if len(numbers) != len(images):
        raise InvalidValue(f"features: {len(numbers)} numbers for {len(images)} images")
    check_verdicts(verdicts, len(images))
    columns = columns or _columns(len(images))
    rows = math.ceil(len(images) / columns)
    side = 0.8 if columns > 8 else 1.0
    figure = new_figure(columns * (side + 0.08) + 0.1, rows * (side + 0.26) + (0.45 if title else 0.15), title)
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if i < len(images):
            show_image(axes, images[i], smooth=smooth)
            axes.set_title(str(numbers[i]), fontsize=7, color=INK, pad=2.5)
            mark_verdict(axes, verdicts[i] if verdicts else None)
        else:
            axes.set_axis_off()
    return figure


def _columns(count: int) -> int:
    """The width of a grid with the fewest empty places, about 1.6 times as wide as high."""
    root = math.sqrt(count)
    widths = range(min(math.ceil(root), _MAX_COLUMNS), min(count, _MAX_COLUMNS, math.ceil(2.6 * root)) + 1)
    return min(widths, key=lambda width: (-count % width, abs(width - 1.6 * root)))
