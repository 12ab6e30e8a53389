"""Pictures of images: one, or nine with their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import GREY, INK, checked_images, new_figure, show_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["plot_image", "plot_images"]


def plot_image(image: ArrayLike, *, title: str | None = None, smooth: bool = False) -> Figure:
    """Draw one image, [height, width] or [height, width, channels] with 1 or 3 channels, values 0 to 1.

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
    """Draw up to nine images in a 3x3 grid, with the true and the predicted class of each below it.

    Args:
        images: [n, height, width] or [n, height, width, channels], n <= 9, values 0 to 1.
        cls_true: n classes, numbers or names.
        cls_pred: n classes; None leaves the prediction out.
        smooth: Interpolate between pixels.

    Raises:
        InvalidValue: Lengths that differ, more than nine images, or another shape.
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
