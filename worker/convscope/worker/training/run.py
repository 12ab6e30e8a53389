"""A training run from its first step to its last, with its reports."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from convscope.worker.classification import Classifier, classify_all
from convscope.worker.data import Dataset
from convscope.worker.errors import ComputationError
from convscope.worker.network import build_network
from convscope.worker.pace import Pace
from convscope.worker.pulse import PULSE_SECONDS, Pulse, no_pulse
from convscope.worker.settings import TrainSettings
from convscope.worker.threads import thread_count
from convscope.worker.training.batches import BatchStream
from convscope.worker.training.speed import Speed
from convscope.worker.training.steps import Steps

__all__ = ["TrainOutcome", "TrainReport", "train"]

# Images per batch of the validation split.
_VALIDATION_BATCH = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """How training stands after a step.

    `step` and `last_step` count from the model's very first step. `loss` is the mean cross-entropy of the step's batch
    before its update, in nats; `batch_accuracy` that of the same batch after it, 0 to 1. `steps_per_second` is the mean
    since the report before. In a run's first report it is 0 and `remaining_seconds` None.
    """

    step: int
    last_step: int
    loss: float
    batch_accuracy: float
    steps_per_second: float
    remaining_seconds: float | None
    validation_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainOutcome:
    """The trained model, its step count, the run's seconds with compiling, and its speed without its first report."""

    model: keras.Model
    step: int
    seconds: float
    steps_per_second: float


def train(
    dataset: Dataset,
    settings: TrainSettings,
    *,
    model: keras.Model | None = None,
    start_step: int = 0,
    report: Callable[[TrainReport], None] = lambda _: None,
    pulse: Pulse = no_pulse,
) -> TrainOutcome:
    """Train a new network, or go on with `model` (which is changed) that has done `start_step` steps.

    With the same seed, dataset, number of threads and kind of machine the weights come out the same to the last bit,
    in one run or in several that continue each other. With 0 iterations the model stays as it is, without a report.

    Raises ComputationError if the loss, or at the end a weight, is no finite number; ModelFileError if `model` cannot
    be trained. What `pulse` or `report` raise ends the run.
    """
    started = time.perf_counter()
    if model is None:
        model = build_network(
            settings.network,
            image_shape=dataset.image_shape,
            classes=len(dataset.classes),
            learning_rate=settings.learning_rate,
            seed=settings.seed,
        )
    if settings.iterations == 0:
        return TrainOutcome(model=model, step=start_step, seconds=0.0, steps_per_second=0.0)
    run = _Run(dataset, settings, model, start_step)
    run.go(report, pulse)
    return TrainOutcome(
        model=model,
        step=run.step,
        seconds=time.perf_counter() - started,
        steps_per_second=run.speed.overall(),
    )


class _Run:
    def __init__(self, dataset: Dataset, settings: TrainSettings, model: keras.Model, start_step: int) -> None:
        self._settings = settings
        self._model = model
        self.step = start_step
        self._last_step = start_step + settings.iterations
        self._held_out = dataset.validation
        self._classify = Classifier(model)
        self._stream = BatchStream(len(dataset.train.labels), settings.batch_size, settings.seed)
        self._steps = Steps(
            model, dataset.train, batch_size=settings.batch_size, precision=settings.precision, threads=thread_count()
        )
        self.speed = Speed()
        model.optimizer.learning_rate = settings.learning_rate

    def go(self, report: Callable[[TrainReport], None], pulse: Pulse) -> None:
        pace, boundary = Pace(PULSE_SECONDS), self.step + 1
        while self.step < self._last_step:
            pulse()
            count = pace.next(boundary - self.step)
            with pace.measured(count):
                loss = self._advance(count)
            if self.step == boundary:
                report(self._report(loss, pulse))
                boundary = self._next_boundary()
        self._check_weights()

    def _advance(self, count: int) -> float:
        done, loss = self._steps.run(self._stream.batches(self.step, count))
        self.step += done
        if not math.isfinite(loss):
            raise ComputationError(
                f"the loss became {loss} at step {self.step}, with learning rate {self._settings.learning_rate:g}; "
                "a smaller learning rate may help"
            )
        return loss

    def _next_boundary(self) -> int:
        intervals = (self._settings.report_interval, self._settings.validation_interval)
        return min(self._last_step, *(self.step - self.step % each + each for each in intervals if each > 0))

    def _report(self, loss: float, pulse: Pulse) -> TrainReport:
        accuracy = self._steps.accuracy(self._stream.batches(self.step - 1, 1)[0])
        validation = self._validation_accuracy(pulse) if self._is_validation_step() else None
        rate = self.speed.report(self.step)
        return TrainReport(
            step=self.step,
            last_step=self._last_step,
            loss=loss,
            batch_accuracy=accuracy,
            steps_per_second=rate,
            remaining_seconds=(self._last_step - self.step) / rate if rate else None,
            validation_accuracy=validation,
        )

    def _is_validation_step(self) -> bool:
        interval = self._settings.validation_interval
        return interval > 0 and self.step % interval == 0

    def _validation_accuracy(self, pulse: Pulse) -> float:
        predicted, _ = classify_all(self._classify, self._held_out.images, _VALIDATION_BATCH, pulse=pulse)
        return float(np.mean(predicted == self._held_out.labels))

    def _check_weights(self) -> None:
        """Catch the last step's update, which no loss has seen."""
        for variable in self._model.trainable_variables:
            if not np.isfinite(variable.numpy()).all():
                raise ComputationError(
                    f"a weight of {variable.path} is no finite number after step {self.step}, with learning rate "
                    f"{self._settings.learning_rate:g}; a smaller learning rate may help"
                )
