"""What a visualization gives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convscope.engine.visualization.verdicts import Verdict
from convscope.planning import Item

__all__ = ["FeatureImage", "OptimizedImage", "Spread", "Trace"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptimizedImage:
    """An image at some point of its ascent.

    `pixels` is float32 [height, width, channels], 0 to 1. `objective` is its value at this very image, NaN if the model
    gives no number for it. `probability` is the model's for the class it predicts; both are None where the model has no
    classes. `iteration` counts the updates made to reach the image: 0 is the start.
    """

    pixels: npt.NDArray[np.float32]
    objective: float
    predicted_class: int | None
    probability: float | None
    iteration: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """What happened at each iteration, before its update; every array is [iterations].

    `predicted_class` is int32, the others float32: its probability, the smallest and largest element of the gradient
    by the image, 1 / (standard deviation of that gradient + 1e-8), and the objective. The first two are None where the
    model has no classes. The gradient is that of what is maximized: the objective, through the transforms and less the
    penalties, if there are any; at the start its own, also before a rescue, while that goes on the redirected one.
    """

    predicted_class: npt.NDArray[np.int32] | None = None
    probability: npt.NDArray[np.float32] | None = None
    gradient_min: npt.NDArray[np.float32]
    gradient_max: npt.NDArray[np.float32]
    step_size: npt.NDArray[np.float32]
    objective: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """How the restarts of a feature ended.

    `objectives` is float32 [restarts], the highest of each, NaN for one that never had any; `mean` and `deviation`
    (population standard deviation) are of those that are numbers, NaN if there are none.
    """

    objectives: npt.NDArray[np.float32]
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureImage:
    """What a feature likes to see: the image after the last update, and the best one of all that came along.

        `best` counts start and final image in; of equally good ones it is the first. `item` says what it is of and from
    which start it came, `verdict` whether to believe it. `trace` is there if it was asked for, `spread` where the best
    of several restarts was, `frames` (images of the way, by iteration) if they were asked for. `cut` tells whether it,
    or one of the restarts that it is the best of, climbed in a batch that was cut for want of memory: its last bits may
    be others than those of the same request elsewhere.
    """

    item: Item
    final: OptimizedImage
    best: OptimizedImage
    trace: Trace | None
    verdict: Verdict
    spread: Spread | None = None
    frames: tuple[OptimizedImage, ...] = ()
    cut: bool = False
