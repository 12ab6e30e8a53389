"""Rows and columns of images with something written above and below each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.client.plots.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["Grid", "fitted"]

_WARNING = "#b0413e"
# Inches: above an image for its label, below it to the next label, for a line of a warning; above and below the whole,
# and for its title.
_LABEL, _BELOW, _LINE, _MARGIN, _TITLE = 0.15, 0.13, 0.1, 0.05, 0.26


class Grid:
    """Equal places for images of one shape.

    Args:
        rows: At least 1.
        columns: At least 1.
        shape: Of an image, [height, width, channels].
        side: Inches of an image's longer side.
        gap: Inches between two columns.
        left: Inches beside the first column.
        lines: Of the longest warning below an image.
        smooth: Interpolate between pixels.
        title: Above the grid.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        shape: tuple[int, ...],
        *,
        side: float,
        gap: float = 0.08,
        left: float = 0.09,
        lines: int = 0,
        smooth: bool,
        title: str | None,
    ) -> None:
        self._size, self._side, self._smooth = fitted(shape, side), side, smooth
        self._pitch = side + gap, _LABEL + self._size[1] + max(_BELOW, _LINE * lines + 0.04)
        self._left, self._top = left, _MARGIN + (_TITLE if title else 0)
        width = left + columns * self._pitch[0] - gap + 0.09
        self._sheet = Sheet(width, self._top + rows * self._pitch[1] + _MARGIN, title)

    @property
    def figure(self) -> Figure:
        """What has been drawn."""
        return self._sheet.figure

    def show(self, row: int, column: int, image: NDArray[Any], label: str, warning: str = "") -> None:
        """Draw an image [height, width, channels] with its label above it, framed and marked by a warning if any."""
        width, height = self._size
        middle, top = self._left + column * self._pitch[0] + self._side / 2, self._image_top(row)
        frame = _WARNING if warning else None
        self._sheet.show(image, middle - width / 2, top, self._size, smooth=self._smooth, frame=frame)
        self._sheet.write(label, middle, top - 0.035, 7)
        if warning:
            self._sheet.write(warning, middle, top + height + 0.025, 6, color=_WARNING, va="top")

    def name_row(self, row: int, name: str) -> None:
        """Write a name beside the first image of a row."""
        middle = self._image_top(row) + self._size[1] / 2
        self._sheet.write(name, self._left - 0.08, middle, 8, ha="right", va="center")

    def _image_top(self, row: int) -> float:
        return self._top + row * self._pitch[1] + _LABEL


def fitted(shape: tuple[int, ...], side: float) -> tuple[float, float]:
    """Return width and height in inches of an image [height, width, channels] whose longer side is given."""
    height, width = shape[:2]
    return side * width / max(height, width), side * height / max(height, width)
