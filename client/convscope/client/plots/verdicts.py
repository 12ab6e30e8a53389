"""What a figure says of images that cannot be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convscope.client.enums import Outcome
from convscope.client.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from convscope.client.verdicts import Verdict

__all__ = ["check_verdicts", "mark_verdict"]

_WARNING = "#b0413e"


def check_verdicts(verdicts: Sequence[Verdict | None] | None, count: int) -> None:
    """Raises InvalidValue unless there are as many verdicts as images, or none."""
    if verdicts is not None and len(verdicts) != count:
        raise InvalidValue(f"verdicts: {len(verdicts)} for {count} images")


def mark_verdict(axes: Axes, verdict: Verdict | None) -> None:
    """Writes a verdict that is a warning below its image, and frames it."""
    if verdict is None or verdict.outcome is Outcome.NORMAL:
        return
    axes.set_xlabel(str(verdict).replace(", ", "\n"), fontsize=6, color=_WARNING, labelpad=1.5)
    for spine in axes.spines.values():
        spine.set_color(_WARNING)
        spine.set_linewidth(1.2)
