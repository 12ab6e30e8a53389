"""A figure for any number of images, placed by the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.client.plots.canvas import GREY, INK, drawn, new_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sheet"]


class Sheet:
    """A figure with one axes as large as itself; all places are inches from its upper left corner.

    An axes for each image would be slow: it has ticks, a frame, and a place that has to be found. One array of all
    images would need many times the memory, as it is resampled as a whole, and smooth images would run into each other.

    Args:
        width: Inches.
        height: Inches.
        title: Above everything, in the middle; it takes a third of an inch.
    """

    def __init__(self, width: float, height: float, title: str | None = None) -> None:
        self.figure = new_figure(width, height)
        self.figure.set_layout_engine("none")
        if title:
            self.figure.suptitle(title, y=1 - 0.07 / height, color=INK, fontsize=11, parse_math=False)
        self._axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self._axes.set_axis_off()

    def show(
        self,
        image: NDArray[Any],
        left: float,
        top: float,
        size: tuple[float, float],
        *,
        smooth: bool,
        frame: str | None = None,
    ) -> None:
        """Draw an image [height, width, channels] in ``size`` = (width, height); ``frame`` is a colour to stand out.

        ``Axes.imshow`` and ``add_patch`` do the same and fit the axes to it, which takes longer than all else.
        """
        from matplotlib.image import AxesImage  # noqa: PLC0415  an extra, loaded when needed
        from matplotlib.patches import Rectangle  # noqa: PLC0415  the same

        width, height = size
        pixels, style = drawn(image, smooth=smooth)
        picture = AxesImage(self._axes, extent=(left, left + width, top + height, top), **style)
        picture.set_data(pixels)
        self._axes.add_image(picture)
        line = 1.2 if frame else 0.6
        self._axes.add_artist(
            Rectangle((left, top), width, height, fill=False, edgecolor=frame or GREY, linewidth=line)
        )

    def write(self, text: str, x: float, y: float, size: float, **style: Any) -> None:
        """Write plain text, ``size`` points high, centred above y unless the style says otherwise."""
        plain: dict[str, Any] = {"fontsize": size, "color": INK, "ha": "center", "parse_math": False}
        self._axes.text(x, y, text, **plain | style)
