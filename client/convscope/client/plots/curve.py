"""A picture of how training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convscope.client.plots.canvas import GREY, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from convscope.client.history import History

__all__ = ["plot_training_curve"]

_ACCURACY, _LOSS, _VALIDATION = "#1f6fb4", "#b0413e", "#e08214"
# Share of the reports that the running mean spans.
_SMOOTHING = 0.03


def plot_training_curve(history: History) -> Figure:
    """Draw accuracy and loss over the training steps: each report thin, their running mean bold.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(7.0, 4.6)
    above, below = figure.subplots(2, 1, sharex=True)
    _curve(above, history.step, history.batch_accuracy, _ACCURACY, "training batch")
    measured = np.isfinite(history.validation_accuracy)
    if measured.any():
        steps, values = history.step[measured], history.validation_accuracy[measured]
        above.plot(steps, values, "o-", color=_VALIDATION, markersize=3.5, linewidth=1, label="validation split")
    _finish(above, "accuracy")
    above.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if len(history):
        above.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=INK)
    _curve(below, history.step, history.loss, _LOSS, "training batch")
    if (history.loss > 0).any():
        below.set_yscale("log")
        below.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        below.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if _leads(value) else "")
    below.set_xlabel("training step", color=INK)
    below.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _finish(below, "cross-entropy (nats)")
    return figure


def _curve(axes: Axes, steps: NDArray[np.int64], values: NDArray[np.float64], colour: str, label: str) -> None:
    style = {"marker": "o"} if len(steps) == 1 else {}
    span = max(1, round(_SMOOTHING * len(steps)))
    if span == 1:
        axes.plot(steps, values, color=colour, linewidth=1.4, label=label, **style)  # type: ignore[arg-type]  # a marker
        return
    axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.35)
    axes.plot(steps, _running_mean(values, span), color=colour, linewidth=1.6, label=label)


def _running_mean(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Return the mean over ``span`` values around each, over fewer near the ends."""
    ones = np.ones(span)
    mean: NDArray[np.float64] = np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")
    return mean


def _leads(value: float) -> bool:
    """Return whether a tick between powers of ten deserves its number: 2 and 5 do."""
    return f"{value:e}"[0] in "25"


def _finish(axes: Axes, label: str) -> None:
    axes.set_ylabel(label, color=INK)
    axes.grid(visible=True, color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelcolor=INK, color=GREY)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(GREY)
