"""A training that is interrupted or killed anywhere ends with the bits of one that was not."""

import math
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest

from convscope.engine.data import Dataset, Split
from convscope.engine.errors import CheckpointError
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.runtime.pace import Pace
from convscope.engine.runtime.pulse import Interruption
from convscope.engine.settings import Precision, TrainSettings
from convscope.engine.training import Checkpoints, TrainReport, checkpoints, state_to_bytes, train

# What a report says of the training, without its speed.
Measured = tuple[int, int, float, float, float | None]


class Drained(Interruption):
    pass


class Killed(Exception):  # noqa: N818 - stands for the end of a process, which saves nothing
    pass


def values(model: keras.Model) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in [*model.variables, *model.optimizer.variables]]


def measured(report: TrainReport) -> Measured:
    return report.step, report.last_step, report.loss, report.batch_accuracy, report.validation_accuracy


class Runs:
    """A run on MNIST, resumed as often as it takes, with what it has reported and saved."""

    def __init__(self, dataset: Dataset, settings: TrainSettings, parent: tuple[int, bytes] | None = None) -> None:
        self.dataset = dataset
        self.settings = settings
        self.parent = parent
        self.reported: list[TrainReport] = []
        self.saved: list[tuple[int, bytes]] = []

    @property
    def measured(self) -> list[Measured]:
        return [measured(report) for report in self.reported]

    @property
    def saved_steps(self) -> list[int]:
        return [step for step, _ in self.saved]

    def go(
        self, pulse: Callable[[], None] = lambda: None, interval: int = 10**6, seconds: float = math.inf
    ) -> list[bytes]:
        """Train, from the last saved state if there is one; return the values of all variables at the end."""
        outcome = train(
            self.dataset,
            self.settings,
            model=model_from_bytes(self.parent[1]) if self.parent else None,
            start_step=self.parent[0] if self.parent else 0,
            progress=self.reported.append,
            pulse=pulse,
            checkpoints=Checkpoints(
                save=lambda step, model: self.saved.append((step, state_to_bytes(model))),
                save_interval=interval,
                save_seconds=seconds,
                resume=self.saved[-1] if self.saved else None,
            ),
        )
        return values(outcome.model)


def nth_pulse(number: int, raised: type[Exception] = Drained) -> Callable[[], None]:
    """Return a pulse that raises when called for the nth time, counted from 1."""
    left = number

    def pulse() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise raised

    return pulse


def until_done(
    runs: Runs, randomness: np.random.Generator, raised: type[Exception], interval: int
) -> tuple[list[bytes], int]:
    """Stop the run at random times until it comes to its end; return the values there, and how often it stopped."""
    for stops in range(100):
        try:
            return runs.go(nth_pulse(int(randomness.integers(1, 10)), raised), interval), stops
        except raised:
            pass
    pytest.fail("the run does not get on")


@pytest.fixture
def few_validated(mnist: Dataset) -> Dataset:
    """MNIST with a validation of four pulses."""
    few = Split(images=mnist.validation.images[:1000], labels=mnist.validation.labels[:1000])
    return replace(mnist, validation=few)


@pytest.fixture
def settings(small_settings: TrainSettings) -> TrainSettings:
    return replace(small_settings, validation_interval=15)


@pytest.fixture
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most three steps between two pulses."""
    monkeypatch.setattr(Pace, "next", lambda _, remaining: min(remaining, 3))


@pytest.mark.usefixtures("small_calls")
@pytest.mark.parametrize("continued", [False, True], ids=["new", "continued"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_interrupted_anywhere_ends_as_if_it_never_was(
    few_validated: Dataset, settings: TrainSettings, precision: Precision, *, continued: bool
) -> None:
    settings = replace(settings, precision=precision)
    earlier = train(few_validated, replace(settings, iterations=17, seed=1)) if continued else None
    parent = (earlier.step, model_to_bytes(earlier.model)) if earlier else None
    whole, pieces = (Runs(few_validated, settings, parent) for _ in range(2))
    expected = whole.go()
    values, stops = until_done(pieces, np.random.default_rng(7), Drained, 10**6)
    assert stops >= 3
    assert values == expected
    assert pieces.measured == whole.measured
    assert pieces.saved_steps == sorted(set(pieces.saved_steps))


@pytest.mark.usefixtures("small_calls")
def test_a_run_killed_anywhere_repeats_only_what_came_after_its_last_checkpoint(
    few_validated: Dataset, settings: TrainSettings
) -> None:
    whole, pieces = (Runs(few_validated, settings) for _ in range(2))
    expected = whole.go()
    values, stops = until_done(pieces, np.random.default_rng(3), Killed, 2)
    assert stops >= 3
    assert values == expected
    assert set(pieces.measured) == set(whole.measured)
    assert set(pieces.saved_steps) == set(range(2, 41, 2))


def test_an_interrupted_validation_takes_its_step_back(mnist: Dataset, settings: TrainSettings) -> None:
    settings = replace(settings, iterations=5, validation_interval=3)
    whole, pieces = (Runs(mnist, settings) for _ in range(2))
    expected = whole.go()
    with pytest.raises(Drained):
        # Three calls, of a step each, come before the validation.
        pieces.go(nth_pulse(10))
    assert pieces.saved_steps == [2]
    with pytest.raises(Drained):
        pieces.go(nth_pulse(10))
    assert pieces.saved_steps == [2]
    assert [report.step for report in pieces.reported] == [1]
    assert pieces.go() == expected
    assert pieces.measured == whole.measured


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_saving_changes_nothing(mnist: Dataset, settings: TrainSettings, precision: Precision) -> None:
    plain, saving = (Runs(mnist, replace(settings, precision=precision)) for _ in range(2))
    assert saving.go(interval=7, seconds=0.0) == plain.go()
    assert saving.measured == plain.measured
    assert plain.saved == []


def test_saves_come_at_multiples_of_the_interval(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, replace(small_settings, iterations=25))
    runs.go(interval=8)
    assert runs.saved_steps == [8, 16, 24]


def test_saves_of_a_continued_model_count_from_its_very_first_step(
    mnist: Dataset, small_settings: TrainSettings
) -> None:
    parent = train(mnist, replace(small_settings, iterations=5)).model
    runs = Runs(mnist, replace(small_settings, iterations=10), (5, model_to_bytes(parent)))
    runs.go(interval=5)
    assert runs.saved_steps == [10, 15]


@pytest.mark.usefixtures("small_calls")
def test_saves_come_when_time_has_passed(
    mnist: Dataset, small_settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def pulse() -> None:
        nonlocal now
        now += 1.0

    monkeypatch.setattr(checkpoints, "monotonic", lambda: now)
    runs = Runs(mnist, replace(small_settings, iterations=15))
    # Calls end at steps 1, 4, 7, 10, 13, 15, one a second.
    runs.go(pulse, seconds=1.5)
    assert runs.saved_steps == [4, 10, 15]


def test_an_interruption_before_the_first_step_saves_nothing(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, small_settings)
    with pytest.raises(Drained):
        runs.go(nth_pulse(1))
    assert runs.saved == []


def test_an_interruption_where_it_was_just_saved_saves_nothing(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, small_settings)
    with pytest.raises(Drained):
        runs.go(nth_pulse(2), interval=1)
    assert runs.saved_steps == [1]


def test_an_interruption_from_a_report_comes_after_the_report(mnist: Dataset, small_settings: TrainSettings) -> None:
    saved: list[int] = []

    def report(progress: TrainReport) -> None:
        if progress.step == 10:
            raise Drained

    with pytest.raises(Drained):
        train(
            mnist,
            small_settings,
            progress=report,
            checkpoints=Checkpoints(save=lambda step, _: saved.append(step)),
        )
    assert saved == [10]


def test_any_other_exception_saves_nothing(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, small_settings)
    with pytest.raises(Killed):
        runs.go(nth_pulse(2, Killed))
    assert runs.saved == []


def test_a_resumed_runs_speed_is_measured_from_its_own_first_step(
    mnist: Dataset, small_settings: TrainSettings
) -> None:
    runs = Runs(mnist, small_settings)
    with pytest.raises(Drained):
        runs.go(nth_pulse(2))
    assert runs.saved_steps == [1]
    del runs.reported[:]
    runs.go()
    assert [report.step for report in runs.reported] == [10, 20, 30, 40]
    assert all(report.steps_per_second for report in runs.reported)
    assert runs.reported[-1].remaining_seconds == 0.0


def test_a_run_that_was_done_is_done(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, small_settings)
    expected = runs.go(interval=40)
    del runs.reported[:]
    assert runs.go() == expected
    assert runs.reported == []


@pytest.mark.parametrize("step", [0, 41])
def test_a_step_outside_the_run_is_refused(mnist: Dataset, small_settings: TrainSettings, step: int) -> None:
    runs = Runs(mnist, small_settings)
    runs.saved = [(step, b"")]
    with pytest.raises(CheckpointError, match=f"step {step}.* 1 to 40"):
        runs.go()


def test_the_state_of_another_step_is_refused(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, small_settings)
    runs.go(interval=10)
    runs.saved = [(20, runs.saved[0][1])]
    with pytest.raises(CheckpointError, match=r"step 20: .*10 steps"):
        runs.go()


def test_a_damaged_state_is_refused(mnist: Dataset, small_settings: TrainSettings) -> None:
    runs = Runs(mnist, small_settings)
    runs.go(interval=10)
    runs.saved = [(10, runs.saved[0][1][:-1])]
    with pytest.raises(CheckpointError, match="damaged"):
        runs.go()
