"""Figures without pyplot, and a clear word where matplotlib is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convscope.client.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GREY", "INK", "bare", "new_figure", "require_matplotlib"]

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
        figure.suptitle(title, color=INK, fontsize=11)
    return figure


def bare(axes: Axes) -> None:
    """Takes away ticks and lightens the frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(GREY)
        spine.set_linewidth(0.6)
