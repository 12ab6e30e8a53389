"""Whether an image can be believed to show what its feature likes."""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Outcome", "Verdict", "judge"]

Outcome: TypeAlias = Literal["normal", "constant", "unreachable", "not_a_number"]

# Pixels whose channels differ by no more are alike: a step of 8-bit grey.
ALIKE: Final = 1 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of an ascent.

    `outcome` is "normal" where the objective rose and the image shows something, "constant" where all pixels of the
    best image are alike up to 1/255, "unreachable" where no image of the ascent was better than the start,
    "not_a_number" where gradient or objective was none, at `iteration`. `upper_bound` is what no image can exceed,
    `reached` the share of the way there from the start, 0 to 1; both are None where no bound is known. `rescued` tells
    whether gradients were sent through inactive ReLUs; `without_gradient` whether the objective had none of its own at
    any image. An unreachable feature without one is dead along the way, also after a rescue; with one, no step along it
    helped: the start was the best already, or the steps were too long.
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
    """Judge an ascent by the objectives of its starting and best image, and the best image, [h, w, c].

    `broken_at` is the iteration at which gradient or objective was no number, None if there was none; objectives that
    are no numbers count as such even so, at iteration 0.
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
    return "constant" if _alike(pixels) else "normal"


def _alike(pixels: npt.NDArray[np.float32]) -> bool:
    return bool(np.ptp(pixels, axis=(0, 1)).max() <= ALIKE)


def _reached(start: float, best: float, bound: float) -> float | None:
    if not (math.isfinite(start) and math.isfinite(best)):
        return None
    return min(1.0, (best - start) / (bound - start)) if bound > start else 1.0
