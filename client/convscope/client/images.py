"""Images of a visualization."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.client import tensors
from convscope.client.verdicts import Spread, Verdict
from convscope.v1 import visualize_pb2

__all__ = ["Feature", "Image", "ObjectiveRef", "OptimizedImage", "Trace"]


@dataclass(frozen=True, slots=True)
class Feature:
    """A channel of a convolution, a unit of a dense layer, or a class.

    Attributes:
        layer: Name of the layer.
        index: Number of the feature in its layer, from 0.
    """

    layer: str
    index: int


@dataclass(frozen=True, slots=True)
class ObjectiveRef:
    """An objective of a visualization.

    Attributes:
        index: Its index among the visualization's objectives, from 0.
        name: Its name, or ``objectives[i]``.
    """

    index: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptimizedImage:
    """An image at some point of its ascent.

    Attributes:
        pixels: float32 [height, width, channels], 0 to 1; [0, 0, 0] where the image was fetched as PNG or without
            pixels.
        objective: Value of the objective at this image.
        predicted_class: The class that the model predicts for it; None where the model has no classes.
        probability: The model's probability of that class, 0 to 1; None where the model has no classes.
        iteration: Number of updates made to reach it; 0 is the starting image.
    """

    pixels: NDArray[np.float32]
    objective: float
    predicted_class: int | None
    probability: float | None
    iteration: int

    @classmethod
    def from_wire(cls, message: visualize_pb2.OptimizedImage) -> "OptimizedImage":
        """Return the image of a message."""
        return cls(
            pixels=tensors.pixels(message),
            objective=message.objective,
            predicted_class=message.predicted_class if message.HasField("predicted_class") else None,
            probability=message.probability if message.HasField("probability") else None,
            iteration=message.iteration,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """What happened at each of the n iterations, all before the iteration's update.

    Attributes:
        predicted_class: int32 [n], the class that the model predicts; None where the model has no classes.
        probability: float32 [n], the probability of that class, 0 to 1; None where the model has no classes.
        gradient_min: float32 [n], smallest element of the gradient of the objective by the image.
        gradient_max: float32 [n], largest element of that gradient.
        step_size: float32 [n], 1 / (population standard deviation of that gradient + 1e-8).
        objective: float32 [n], value of the objective.
    """

    predicted_class: NDArray[np.int32] | None
    probability: NDArray[np.float32] | None
    gradient_min: NDArray[np.float32]
    gradient_max: NDArray[np.float32]
    step_size: NDArray[np.float32]
    objective: NDArray[np.float32]

    @classmethod
    def from_wire(cls, message: visualize_pb2.Trace) -> "Trace":
        """Return the trace of a message."""
        with_classes = message.HasField("predicted_class") and message.HasField("probability")
        return cls(
            predicted_class=tensors.decode(message.predicted_class) if with_classes else None,
            probability=tensors.decode(message.probability) if with_classes else None,
            gradient_min=tensors.decode(message.gradient_min),
            gradient_max=tensors.decode(message.gradient_max),
            step_size=tensors.decode(message.step_size),
            objective=tensors.decode(message.objective),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Image:
    """The image that maximizes a subject: a feature, or an objective.

    Attributes:
        name: ``jobs/{job}/images/{number}``.
        subject: What is maximized.
        final: The image after the last update.
        best: The image with the highest objective of the whole ascent.
        trace: What happened at each iteration; None unless it was asked for.
        restart: Which of the subject's restarts it is, from 0.
        verdict: Whether it can be believed; None from a server that does not say.
        spread: How all restarts ended; only where there were several and this is the best of them.
        cache_key: Names the computation: SHA-256, in hexadecimal, of the model's file and interpretation, the
            engine's version, what is maximized, every setting, and the number of images in a batch; equal keys are
            equal images. Empty where a worker short of memory may have changed the last bits.
        frames: Intermediate images, by iteration, if they were asked for; none in events, and where the image was
            fetched as PNG or without pixels.
        png: The best image as a PNG file; only where it was fetched as one.
    """

    name: str
    subject: Feature | ObjectiveRef
    final: OptimizedImage
    best: OptimizedImage
    trace: Trace | None = None
    restart: int = 0
    verdict: Verdict | None = None
    spread: Spread | None = None
    cache_key: str = ""
    frames: tuple[OptimizedImage, ...] = ()
    png: bytes = b""

    @property
    def layer(self) -> str:
        """Name of the feature's layer; for an objective its name."""
        return self.subject.name if isinstance(self.subject, ObjectiveRef) else self.subject.layer

    @property
    def feature(self) -> int:
        """Number of the feature in its layer; 0 for an objective."""
        return 0 if isinstance(self.subject, ObjectiveRef) else self.subject.index

    @classmethod
    def from_wire(cls, message: visualize_pb2.Image) -> "Image":
        """Return the image of a message."""
        return cls(
            name=message.name,
            subject=_subject(message),
            final=OptimizedImage.from_wire(message.final),
            best=OptimizedImage.from_wire(message.best),
            trace=Trace.from_wire(message.trace) if message.HasField("trace") else None,
            restart=message.restart,
            verdict=Verdict.from_wire(message.verdict) if message.HasField("verdict") else None,
            spread=Spread.from_wire(message.spread) if message.HasField("spread") else None,
            cache_key=message.cache_key,
            frames=tuple(map(OptimizedImage.from_wire, message.frames)),
            png=message.png,
        )


def _subject(message: visualize_pb2.Image) -> Feature | ObjectiveRef:
    if message.HasField("objective"):
        return ObjectiveRef(message.objective.index, message.objective.name)
    return Feature(message.feature.layer, message.feature.index)
