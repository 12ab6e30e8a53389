"""What all figures share: no pyplot, absolute greys, and a clear error where matplotlib is missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.client.errors import InvalidValue, MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["GREY", "INK", "bare", "checked_images", "drawn", "new_figure", "require_matplotlib", "show_image"]

# Text and frames; softer than black beside pictures in black and white.
INK, GREY = "#222222", "#9a9a9a"
# Pixels per inch of a saved figure, unless that makes too many: sharp on a dense screen, and small as a file.
_DPI = 160
# Pixels of a whole figure at most: 80 MB while it is drawn, and still a picture that viewers open.
_MAX_PIXELS = 20_000_000
# Pixels of a side at most; matplotlib cannot draw 65,536.
_MAX_SIDE = 32_000


def require_matplotlib() -> None:
    """Raise MissingExtra if plots cannot be drawn."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  only looked for
    except ImportError as error:
        raise MissingExtra("plots need matplotlib: pip install 'convscope[plot]'") from error


def new_figure(width: float, height: float, title: str | None = None) -> Figure:
    """Return an empty figure, sides in inches; a large one has fewer pixels per inch, to bound their number."""
    require_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra, loaded when needed

    figure = Figure(figsize=(width, height), dpi=_dpi(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05)  # type: ignore[union-attr, call-arg]  # constrained's own
    if title:
        figure.suptitle(title, color=INK, fontsize=11, parse_math=False)
    return figure


def _dpi(width: float, height: float) -> float:
    return min(_DPI, math.sqrt(_MAX_PIXELS / (width * height)), _MAX_SIDE / max(width, height))


def bare(axes: Axes) -> None:
    """Remove ticks and lighten the frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GREY)
        spine.set_linewidth(0.6)


def checked_images(images: ArrayLike) -> NDArray[Any]:
    """Return images as [n, height, width, channels], from that or [n, height, width]; channels are 1 or 3.

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
    """Draw an image [height, width, channels], with or without interpolation between its pixels."""
    pixels, style = drawn(image, smooth=smooth)
    axes.imshow(pixels, **style)
    bare(axes)


def drawn(image: NDArray[Any], *, smooth: bool) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return what matplotlib is to draw of an image [height, width, channels], and how: absolute greys, or colours."""
    from matplotlib.colors import Normalize  # noqa: PLC0415  an extra, loaded when needed

    style: dict[str, Any] = {"interpolation": "spline16" if smooth else "nearest"}
    if image.shape[-1] == 1:
        return image[..., 0], style | {"cmap": "binary", "norm": Normalize(0, 1)}
    # A quarter of the memory of floats, of which a figure keeps a copy; NaN is white, as it is in greys.
    return np.rint(np.nan_to_num(image, nan=1).clip(0, 1) * 255).astype(np.uint8), style
