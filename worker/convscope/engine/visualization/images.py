"""Results of a visualization."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convscope.engine.visualization.verdicts import Verdict
from convscope.planning import Item

__all__ = ["Image", "OptimizedImage", "Spread", "Trace"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptimizedImage:
    """An image at some point of its ascent.

    Attributes:
        pixels: float32 [height, width, channels], 0 to 1.
        objective: at this image; NaN if it is not finite.
        predicted_class: number of the class that the model predicts; None where the model has no classes.
        probability: of that class, 0 to 1; None where the model has no classes.
        iteration: updates made to reach the image; 0 is the start.
    """

    pixels: npt.NDArray[np.float32]
    objective: float
    predicted_class: int | None
    probability: float | None
    iteration: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """What happened at each iteration, before its update; every array is [iterations].

    The gradient is that of the objective through the transforms, less the penalties; at the start the plain one, and
    during a rescue the redirected one.

    Attributes:
        predicted_class: int32, class that the model predicts; None where the model has no classes.
        probability: float32, of that class, 0 to 1; None where the model has no classes.
        gradient_min: float32, smallest element of the gradient with respect to the image.
        gradient_max: float32, largest element.
        step_size: float32, 1 / (standard deviation of the gradient + 1e-8).
        objective: float32.
    """

    predicted_class: npt.NDArray[np.int32] | None = None
    probability: npt.NDArray[np.float32] | None = None
    gradient_min: npt.NDArray[np.float32]
    gradient_max: npt.NDArray[np.float32]
    step_size: npt.NDArray[np.float32]
    objective: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """Spread of the restarts of a feature.

    Attributes:
        objectives: float32 [restarts], the highest of each restart, NaN where it never was finite.
        mean: of the finite ones; NaN if there are none.
        deviation: their population standard deviation; NaN if there are none.
    """

    objectives: npt.NDArray[np.float32]
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """Images of a feature or objective: after the last update, and the best of the whole ascent.

    Attributes:
        item: address of the image: target, feature and restart.
        final: after the last update.
        best: with the highest objective, start and final image included; the first one of equals.
        trace: of the ascent, if requested.
        verdict: whether to believe the image.
        spread: of all restarts, where the best of several was chosen.
        frames: intermediate images, by iteration, if requested.
        cut: whether the batch of this image, or of a restart that it was chosen from, was cut for lack of memory: its
            last bits may differ from those of the same request elsewhere.
    """

    item: Item
    final: OptimizedImage
    best: OptimizedImage
    trace: Trace | None
    verdict: Verdict
    spread: Spread | None = None
    frames: tuple[OptimizedImage, ...] = ()
    cut: bool = False
