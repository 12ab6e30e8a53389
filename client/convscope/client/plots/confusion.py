"""A picture of a confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.client.errors import InvalidValue
from convscope.client.plots.canvas import GREY, INK, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["plot_confusion_matrix"]

# Classes above which the counts would be too small to read.
_MAX_COUNTED = 40
# Exponent of the colour scale: lifts single errors out of the white beside a thousand right answers.
_GAMMA = 0.35


def plot_confusion_matrix(cm: ArrayLike, classes: Sequence[Any] | None = None) -> Figure:
    """Draw a confusion matrix with its counts.

    Args:
        cm: Whole numbers [C, C]; rows are true classes, columns predicted ones.
        classes: C names. Default: 0 to C - 1.

    Raises:
        InvalidValue: Not a square of counts, or another number of names.
        MissingExtra: matplotlib is not installed.
    """
    matrix = np.asarray(cm)
    names = range(len(matrix)) if classes is None else classes
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size or (matrix < 0).any():
        raise InvalidValue(f"cm: an array of {list(matrix.shape)} is not a square of counts")
    if len(names) != len(matrix):
        raise InvalidValue(f"classes: {len(names)} names for {len(matrix)} classes")
    side = min(max(4.2, 0.55 * len(matrix) + 1), 14.0)
    correct, total = int(np.trace(matrix)), int(matrix.sum())
    figure = new_figure(side + 0.8, side + 0.2, f"{correct / max(total, 1):.1%} ({correct} / {total})")
    _draw(figure, matrix, [str(name) for name in names])
    return figure


def _draw(figure: Figure, matrix: NDArray[Any], names: list[str]) -> None:
    from matplotlib.colors import PowerNorm  # noqa: PLC0415  an extra, loaded when needed

    axes: Axes = figure.subplots()
    norm = PowerNorm(_GAMMA, vmin=0, vmax=max(int(matrix.max()), 1))
    picture = axes.imshow(matrix, cmap="Blues", norm=norm)
    ticks = np.arange(len(names))
    axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 4 else 0)
    axes.set_yticks(ticks, names)
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_xlabel("Predicted", color=INK)
    axes.set_ylabel("True", color=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(picture, ax=axes, shrink=0.8, ticks=_ticks(int(matrix.max())))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelcolor=INK, color=GREY, labelsize=8)
    if len(names) <= _MAX_COUNTED:
        _count(axes, matrix, norm(matrix))


def _count(axes: Axes, matrix: NDArray[Any], shade: NDArray[Any]) -> None:
    """Write each count in its cell, light on dark; zeros recede."""
    size = min(9.0, 90 / len(matrix) + 2)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shade[row, column] > 0.6 else (INK if count else "#c8c8c8")
        axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)


def _ticks(most: int) -> list[int]:
    return [tick for tick in (0, 1, 10, 100, 1_000, 10_000, 100_000) if tick <= max(most, 1)]
