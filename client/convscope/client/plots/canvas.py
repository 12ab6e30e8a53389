"""What all figures share: no pyplot, absolute greys, and a clear word where matplotlib is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.client.errors import InvalidValue, MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["GREY", "INK", "bare", "checked_images", "new_figure", "require_matplotlib", "show_image"]

# Text and frames; softer than black beside pictures in black and white.
INK, GREY = "#222222", "#9a9a9a"
# Pixels per inch of a saved figure: sharp on a dense screen, and small as a file.
_DPI = 160


def require_matplotlib() -> None:
    """Raises MissingExtra if plots cannot be drawn."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  only looked for
    except ImportError as error:
        raise MissingExtra("plots need matplotlib: pip install 'convscope[plot]'") from error


def new_figure(width: float, height: float, title: str | None = None) -> Figure:
    """An empty figure, its sides in inches."""
    require_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, loaded when needed

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05)  # type: ignore[union-attr, call-arg]  # constrained's own
    if title:
        figure.suptitle(title, color=INK, fontsize=11, parse_math=False)
    return figure


def bare(axes: Axes) -> None:
    """Takes away ticks and lightens the frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GREY)
        spine.set_linewidth(0.6)


def checked_images(images: ArrayLike) -> NDArray[Any]:
    """Images as [n, height, width, channels], from that or [n, height, width]; channels are 1 or 3.

    Raises:
        InvalidValue: Another shape, or no image.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[-1] not in {1, 3} or not images.size:
        raise InvalidValue(f"images: a shape of {list(images.shape)} is not [n, height, width, 1 or 3]")
    return images


def show_image(axes: Axes, image: NDArray[Any], *, smooth: bool) -> None:
    """Draws an image [height, width, channels], with or without interpolation between its pixels."""
    interpolation = "spline16" if smooth else "nearest"
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="binary", vmin=0, vmax=1, interpolation=interpolation)
    else:
        axes.imshow(np.clip(image, 0, 1), interpolation=interpolation)
    bare(axes)
