"""Training runs and their reports."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import keras
import numpy as np

from convscope.engine.data import Dataset
from convscope.engine.errors import ComputationError, DatasetError
from convscope.engine.evaluation.classification import Classifier, classify_all
from convscope.engine.models.network import build_network
from convscope.engine.runtime.caches import Caches
from convscope.engine.runtime.pace import Pace
from convscope.engine.runtime.pulse import PULSE_S, Interruption, Pulse, no_pulse
from convscope.engine.runtime.threads import thread_count
from convscope.engine.settings import TrainSettings
from convscope.engine.training.batches import BatchStream
from convscope.engine.training.checkpoints import NO_CHECKPOINTS, Checkpoints, Saver, resume_at
from convscope.engine.training.schedule import Schedule
from convscope.engine.training.speed import Speed
from convscope.engine.training.state import restore_state, state_to_bytes
from convscope.engine.training.steps import Steps

__all__ = ["TrainOutcome", "TrainReport", "train"]

# Images per batch of the validation split.
_VALIDATION_BATCH = 250

DEFAULT: Final = TrainSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """State of a training after a step; steps count from the model's first step.

    Attributes:
        step: the step.
        last_step: the last step of the run.
        loss: mean cross-entropy of the step's batch before its update, in nats.
        batch_accuracy: accuracy on the same batch after the update, 0 to 1.
        steps_per_second: mean since the previous report, or since the first step of this process; None in the report
            of that step.
        remaining_seconds: estimate; None in the report of that step.
        validation_accuracy: accuracy on the validation split, 0 to 1; None where it was not measured.
    """

    step: int
    last_step: int
    loss: float
    batch_accuracy: float
    steps_per_second: float | None
    remaining_seconds: float | None
    validation_accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainOutcome:
    """Result of a training run.

    Attributes:
        model: the trained model.
        step: its step count.
        seconds: duration of the run, compilation included; of a resumed run, since it was resumed.
        steps_per_second: speed without the first step; None where it was not measured.
    """

    model: keras.Model
    step: int
    seconds: float
    steps_per_second: float | None


def train(
    dataset: Dataset,
    settings: TrainSettings = DEFAULT,
    *,
    model: keras.Model | None = None,
    start_step: int = 0,
    progress: Callable[[TrainReport], None] = lambda _: None,
    pulse: Pulse = no_pulse,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    caches: Caches | None = None,
) -> TrainOutcome:
    """Train a new network, or continue the training of a model.

    With the same seed, dataset, number of threads and kind of machine the weights are the same to the last bit, in one
    run or in several that continue each other. With 0 iterations the model is not changed, and there is no report.

    A run that was stopped resumes from a checkpoint with the same arguments; weights, optimizer and the reports of the
    later steps are as if it had never stopped. A step is reported before its checkpoint is saved, so a run that dies
    between the two reports that step again when it is resumed.

    An exception of ``pulse``, ``progress`` or ``checkpoints.save`` ends the run; before an ``Interruption`` the state
    is saved.

    Args:
        dataset: with the splits that are needed.
        settings: of the run.
        model: the model to continue, which is changed; None: a new network.
        start_step: steps that the model has done.
        progress: called with each report.
        pulse: called a few times a second.
        checkpoints: how to save states, and the state to resume from.
        caches: of compiled functions; they only save time.

    Raises:
        ComputationError: if the loss, or at the end a weight, is not finite.
        ModelFileError: if the model cannot be trained.
        DatasetError: if a split that is needed is empty.
        CheckpointError: before the first step, if the checkpoint is not of this run.
    """
    started = time.perf_counter()
    _check_splits(dataset, settings)
    if model is None:
        model = build_network(
            settings.network,
            image_shape=dataset.image_shape,
            classes=len(dataset.classes),
            learning_rate=settings.learning_rate,
            seed=settings.seed,
        )
    if settings.iterations == 0:
        return TrainOutcome(model=model, step=start_step, seconds=0.0, steps_per_second=None)
    run = _Run(dataset, settings, model, start_step, checkpoints=checkpoints, caches=caches)
    run.go(progress, pulse)
    return TrainOutcome(
        model=model,
        step=run.step,
        seconds=time.perf_counter() - started,
        steps_per_second=run.speed.overall(),
    )


def _check_splits(dataset: Dataset, settings: TrainSettings) -> None:
    if not len(dataset.train.labels):
        raise DatasetError(f"{dataset.name} has no examples to train on")
    if settings.validation_interval and not len(dataset.validation.labels):
        raise DatasetError(f"{dataset.name} has no validation split; without one validation_interval must be 0")


class _Run:
    def __init__(
        self,
        dataset: Dataset,
        settings: TrainSettings,
        model: keras.Model,
        start_step: int,
        *,
        checkpoints: Checkpoints,
        caches: Caches | None,
    ) -> None:
        self._settings = settings
        self._model = model
        self.step = start_step
        self._schedule = Schedule(settings, start_step=start_step, save_interval=checkpoints.save_interval)
        self._held_out = dataset.validation
        self._classify = Classifier(model)
        self._stream = BatchStream(len(dataset.train.labels), settings.batch_size, settings.seed)
        self._steps = Steps(
            model,
            dataset.train,
            batch_size=settings.batch_size,
            precision=settings.precision,
            threads=thread_count(),
            caches=caches,
        )
        self.speed = Speed()
        model.optimizer.learning_rate = settings.learning_rate
        if checkpoints.resume is not None:
            self.step = resume_at(model, checkpoints.resume, start_step=start_step, last_step=self._schedule.last_step)
        self._saver = Saver(checkpoints, model, self.step)

    def go(self, report: Callable[[TrainReport], None], pulse: Pulse) -> None:
        try:
            self._go(report, pulse)
        except Interruption:
            self._saver.save(self.step)
            raise
        self._check_weights()

    def _go(self, report: Callable[[TrainReport], None], pulse: Pulse) -> None:
        pace = Pace(PULSE_S)
        while self.step < self._schedule.last_step:
            pulse()
            count = pace.next(self._schedule.next_stop(self.step) - self.step)
            before = self._state_before(self.step + count)
            with pace.measured(count):
                loss = self._advance(count)
            self.speed.begin(self.step)
            if self._schedule.reports(self.step):
                report(self._report(loss, pulse, before))
            self._save_if_due()

    def _advance(self, count: int) -> float:
        done, loss = self._steps.run(self._stream.batches(self.step, count))
        self.step += done
        if not math.isfinite(loss):
            raise ComputationError(
                f"the loss became {loss} at step {self.step}, with learning rate {self._settings.learning_rate:g}; "
                "a smaller learning rate may help"
            )
        return loss

    def _save_if_due(self) -> None:
        if self._schedule.saves(self.step):
            self._saver.save(self.step)
        self._saver.save_if_late(self.step)

    def _state_before(self, step: int) -> bytes | None:
        """Return the state before a step with a validation, which can take long and be interrupted."""
        return state_to_bytes(self._model) if self._schedule.validates(step) else None

    def _report(self, loss: float, pulse: Pulse, before: bytes | None) -> TrainReport:
        accuracy = self._steps.accuracy(self._stream.batches(self.step - 1, 1)[0])
        validation = self._validation_accuracy(pulse, before) if before is not None else None
        rate = self.speed.report(self.step)
        return TrainReport(
            step=self.step,
            last_step=self._schedule.last_step,
            loss=loss,
            batch_accuracy=accuracy,
            steps_per_second=rate,
            remaining_seconds=(self._schedule.last_step - self.step) / rate if rate is not None else None,
            validation_accuracy=validation,
        )

    def _validation_accuracy(self, pulse: Pulse, before: bytes) -> float:
        try:
            predicted, _ = classify_all(self._classify, self._held_out.images, _VALIDATION_BATCH, pulse=pulse)
        except Interruption:
            # The step is undone, since it was not reported, and only the step itself can compute its loss again.
            restore_state(self._model, before)
            self.step -= 1
            raise
        return float(np.mean(predicted == self._held_out.labels))

    def _check_weights(self) -> None:
        """Check the last step's update, which no loss depends on."""
        for variable in self._model.trainable_variables:
            if not np.isfinite(variable.numpy()).all():
                raise ComputationError(
                    f"a weight of {variable.path} is not finite after step {self.step}, with learning rate "
                    f"{self._settings.learning_rate:g}; a smaller learning rate may help"
                )
