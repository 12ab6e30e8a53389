"""Verdicts on whether to believe an image."""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Outcome", "Verdict", "judge"]

Outcome: TypeAlias = Literal["normal", "constant", "unreachable", "not_a_number"]

# Pixels whose channels differ by no more count as equal: a step of 8-bit grey.
ALIKE: Final = 1 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Verdict on an ascent.

    An unreachable feature without gradient had none at any image, also after a rescue. With a gradient, no step along
    it helped: the start was the best already, or the steps were too long.

    Attributes:
        outcome: ``"normal"`` where the objective rose and the image shows something, ``"constant"`` where all pixels of
            the best image are equal up to 1/255, ``"unreachable"`` where no image was better than the start,
            ``"not_a_number"`` where gradient or objective was not finite.
        iteration: at which gradient or objective was not finite; None if they always were.
        upper_bound: value that no image can exceed; None where it is unknown.
        reached: share of the way from the start to the bound, 0 to 1; None where the bound is unknown.
        rescued: whether gradients were redirected through inactive ReLUs.
        without_gradient: whether the plain gradient of the objective was zero at every image.
    """

    outcome: Outcome
    iteration: int | None = None
    upper_bound: float | None = None
    reached: float | None = None
    rescued: bool = False
    without_gradient: bool = False


def judge(
    *,
    start: float,
    best: float,
    pixels: npt.NDArray[np.float32],
    broken_at: int | None = None,
    upper_bound: float | None = None,
    rescued: bool = False,
    without_gradient: bool = False,
) -> Verdict:
    """Judge an ascent.

    Args:
        start: objective of the start image.
        best: objective of the best image.
        pixels: the best image, [h, w, c].
        broken_at: iteration at which gradient or objective was not finite; None if they always were. If ``start`` or
            ``best`` is not finite, it is 0.
        upper_bound: value that no image can exceed; None if it is unknown.
        rescued: whether gradients were redirected.
        without_gradient: whether there was no plain gradient at any image.
    """
    if broken_at is None and not (math.isfinite(start) and math.isfinite(best)):
        broken_at = 0
    return Verdict(
        outcome=_outcome(start, best, pixels, broken_at),
        iteration=broken_at,
        upper_bound=upper_bound,
        reached=None if upper_bound is None else _reached(start, best, upper_bound),
        rescued=rescued,
        without_gradient=without_gradient,
    )


def _outcome(start: float, best: float, pixels: npt.NDArray[np.float32], broken_at: int | None) -> Outcome:
    if broken_at is not None:
        return "not_a_number"
    if best <= start:
        return "unreachable"
    return "constant" if _all_equal(pixels) else "normal"


def _all_equal(pixels: npt.NDArray[np.float32]) -> bool:
    return bool(np.ptp(pixels, axis=(0, 1)).max() <= ALIKE)


def _reached(start: float, best: float, bound: float) -> float | None:
    if not (math.isfinite(start) and math.isfinite(best)):
        return None
    return min(1.0, (best - start) / (bound - start)) if bound > start else 1.0
