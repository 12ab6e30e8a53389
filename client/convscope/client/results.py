"""Results of jobs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from convscope.client.errors import InvalidValue
from convscope.client.evaluation import EvaluateResult
from convscope.client.history import History
from convscope.client.images import Image, OptimizedImage
from convscope.client.times import seconds_from_wire
from convscope.client.verdicts import Verdict
from convscope.v1 import jobs_pb2, train_pb2

__all__ = ["ImageStack", "LayerImages", "Result", "TrainResult", "VisualizeResult"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainResult:
    """Outcome of a training run.

    Attributes:
        model: ``models/{id}`` of the model it created.
        step: The model's step count, including the steps of the models that it continues.
        train_seconds: Time from the first step to the last, with compiling.
        steps_per_second: Speed over the run without the first report; None where nothing was measured.
        history: The model's training curve, including those of the models that it continues.
    """

    model: str
    step: int
    train_seconds: float
    steps_per_second: float | None
    history: History

    @classmethod
    def from_wire(cls, message: train_pb2.TrainResult) -> "TrainResult":
        """Return the result of a message, with an empty history."""
        return cls(
            model=message.model,
            step=message.step,
            train_seconds=seconds_from_wire(message.train_duration),
            steps_per_second=message.steps_per_second if message.HasField("steps_per_second") else None,
            history=History.from_wire(()),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageStack:
    """n images of one layer, in the order of their features.

    Attributes:
        pixels: float32 [n, height, width, channels], 0 to 1.
        objective: float64 [n], value of the objective at the image.
        predicted_class: int32 [n], the class that the model predicts for it; -1 where the model has no classes.
        probability: float64 [n], the probability of that class, 0 to 1; NaN where the model has no classes.
        iteration: int32 [n], number of updates made to reach it.
    """

    pixels: NDArray[np.float32]
    objective: NDArray[np.float64]
    predicted_class: NDArray[np.int32]
    probability: NDArray[np.float64]
    iteration: NDArray[np.int32]

    @classmethod
    def of(cls, images: Sequence[OptimizedImage]) -> "ImageStack":
        """Return the images, stacked."""
        return cls(
            pixels=np.stack([image.pixels for image in images]),
            objective=np.array([image.objective for image in images], np.float64),
            predicted_class=np.array(
                [-1 if image.predicted_class is None else image.predicted_class for image in images], np.int32
            ),
            probability=np.array([image.probability for image in images], np.float64),  # None becomes NaN
            iteration=np.array([image.iteration for image in images], np.int32),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerImages:
    """The images of n features of one layer, by rising feature number; several restarts of one follow each other.

    Attributes:
        layer: Name of the layer.
        features: int32 [n], feature numbers.
        restarts: int32 [n], number of the restart among its feature's.
        verdicts: Whether each can be trusted; None where the server does not say.
        final: The images after the last update.
        best: The image with the highest objective of each ascent.
        is_objective: Whether they are of a custom objective: ``layer`` is its name, and ``features`` are all 0.
    """

    layer: str
    features: NDArray[np.int32]
    restarts: NDArray[np.int32]
    verdicts: tuple[Verdict | None, ...]
    final: ImageStack
    best: ImageStack
    is_objective: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisualizeResult:
    """Outcome of a visualization.

    Attributes:
        images: In the order of the layers and then the objectives asked for, each by rising feature number: one for
            each feature, or all its restarts.
        seconds: Time from the start of the job's first attempt to its end.
        cached_image_count: How many of the images were stored already.
        objectives: Names of those of ``layers`` that are custom objectives.
    """

    images: tuple[Image, ...]
    seconds: float
    cached_image_count: int = 0
    objectives: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers and objectives that have images."""
        return tuple(dict.fromkeys(image.layer for image in self.images))

    def layer(self, name: str) -> LayerImages:
        """Return the images of a layer as stacked arrays.

        Raises:
            InvalidValue: The result has no images of this layer.
        """
        images = [image for image in self.images if image.layer == name]
        if not images:
            raise InvalidValue(f"layer: no images of {name!r}; there are some of {', '.join(self.layers) or 'none'}")
        return LayerImages(
            layer=name,
            features=np.array([image.feature for image in images], np.int32),
            restarts=np.array([image.restart for image in images], np.int32),
            verdicts=tuple(image.verdict for image in images),
            final=ImageStack.of([image.final for image in images]),
            best=ImageStack.of([image.best for image in images]),
            is_objective=name in self.objectives,
        )

    @classmethod
    def of(
        cls,
        images: Iterable[Image],
        seconds: float,
        asked: Iterable[tuple[str, int]] = (),
        *,
        cached_image_count: int = 0,
        objectives: Iterable[str] = (),
    ) -> "VisualizeResult":
        """Return the result of images in any order, put in the order of the layers and features asked for."""
        places = {feature: place for place, feature in enumerate(asked)}

        def place(image: Image) -> tuple[int, int]:
            return places.get((image.layer, image.feature), len(places)), image.restart

        ordered = tuple(sorted(images, key=place))
        return cls(images=ordered, seconds=seconds, cached_image_count=cached_image_count, objectives=tuple(objectives))


# The result of any job.
Result: TypeAlias = TrainResult | EvaluateResult | VisualizeResult


def result_from_wire(message: jobs_pb2.JobResult) -> Result | None:
    """Return the result of a message, without what is kept elsewhere.

    Kept elsewhere are a training's history, an evaluation's errors, and a visualization's images.
    """
    match message.WhichOneof("kind"):
        case "train":
            return TrainResult.from_wire(message.train)
        case "evaluate":
            return EvaluateResult.from_wire(message.evaluate)
        case "visualize":
            visualize = message.visualize
            return VisualizeResult.of(
                (), seconds_from_wire(visualize.duration), cached_image_count=visualize.cached_image_count
            )
    return None
