"""An attempt resumes from the latest checkpoint that it can restore, and says which it could not."""

import logging
from pathlib import Path

import pytest
import redis

from convscope.engine.data import Dataset
from convscope.engine.models.network import build_network
from convscope.engine.runtime.environment import environment
from convscope.engine.settings import TrainSettings
from convscope.engine.training import Checkpoints, TrainOutcome, state_to_bytes, train
from convscope.store import Attempt, BlobStore, Checkpoint, Claimant, JobStore
from convscope.store.redis.scripts import Scripts
from convscope.v1.jobs_pb2 import CheckpointUnreadable, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.worker.executor.checkpoints import environments, train_with_checkpoints
from convscope.worker.executor.context import AttemptContext, StopRequest
from convscope.worker.executor.lease import LeaseKeeper


class Runs:
    """A training job whose attempts come one after the other."""

    def __init__(self, connection: redis.Redis, blobs: BlobStore, dataset: Dataset, how: TrainSettings) -> None:
        job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
        self.job_id = job.name.removeprefix("jobs/")
        self.blobs = blobs
        self.states: list[tuple[int, bytes]] = []  # saved by the latest run
        self.resumed: list[int] = []  # the step that each run resumed from, 0 where it began
        self._connection = connection
        self._dataset = dataset
        self._how = how
        self.reporter = self.next_attempt()

    def next_attempt(self, **conditions: str) -> AttemptContext:
        """Start an attempt, on a machine that is as this one but for some conditions."""
        conditions = {**environment(), **conditions}
        attempt = Attempt.claim(self._connection, Claimant(worker="w", environment=conditions), self.blobs)
        assert attempt is not None
        self.reporter = AttemptContext(
            self._connection, attempt, self.blobs, LeaseKeeper(attempt, Scripts(self._connection)), StopRequest()
        )
        return self.reporter

    def give_back(self) -> None:
        """End the attempt."""
        self.reporter.attempt.release()

    def keep(self, step: int, state: bytes) -> str:
        """Have the attempt keep a checkpoint."""
        digest = self.blobs.put(state)
        self.reporter.attempt.save_checkpoint(Checkpoint(step, digest))
        return digest

    def run(self, checkpoints: Checkpoints) -> TrainOutcome:
        """Train from the checkpoint that is given, or from step 0."""
        self.resumed.append(checkpoints.resume[0] if checkpoints.resume else 0)
        self.states = []
        noted = Checkpoints(
            save=lambda step, model: self.states.append((step, state_to_bytes(model))),
            save_interval=10,
            resume=checkpoints.resume,
        )
        return train(self._dataset, self._how, checkpoints=noted)

    def weights(self) -> bytes:
        """Train as an executor does; return the state at the end."""
        return state_to_bytes(train_with_checkpoints(self.reporter, self.run).model)

    @property
    def unreadable(self) -> list[CheckpointUnreadable]:
        """The events of checkpoints that could not be read."""
        events = self.reporter.logged()
        return [event.checkpoint_unreadable for event in events if event.HasField("checkpoint_unreadable")]


@pytest.fixture
def runs(
    connection: redis.Redis,
    tmp_path: Path,
    mnist: Dataset,
    small_settings: TrainSettings,
) -> Runs:
    return Runs(connection, BlobStore(tmp_path.as_uri()), mnist, small_settings)


def test_a_state_that_cannot_be_restored_falls_back_to_the_one_before(runs: Runs, mnist: Dataset) -> None:
    expected = runs.weights()
    ((ten, first), (twenty, second), *_) = runs.states
    other = build_network(
        TrainSettings().network, image_shape=mnist.image_shape, classes=10, learning_rate=1e-3, seed=1
    )
    for step, bad, reason in [
        (twenty, state_to_bytes(other), "is another model's"),
        (twenty, first, "not of step 20"),
        (41, second, "not of one from 1 to 40"),
    ]:
        runs.keep(ten, first)
        digest = runs.keep(step, bad)
        assert runs.weights() == expected
        assert runs.resumed[-2:] == [step, ten]
        assert runs.unreadable[-1].step == step
        assert reason in runs.unreadable[-1].cause
        (left,) = runs.reporter.attempt.checkpoints
        assert left.step == ten
        assert left.blob != digest or bad == first
    assert len(runs.unreadable) == 3


def test_where_none_can_be_restored_it_begins_at_step_0(runs: Runs) -> None:
    expected = runs.weights()
    runs.keep(10, b"nothing")
    runs.blobs.delete([runs.keep(20, b"gone")])
    assert runs.weights() == expected
    assert runs.resumed == [0, 10, 0]
    assert [checkpoint.step for checkpoint in runs.unreadable] == [20, 10]
    assert "is missing" in runs.unreadable[0].cause
    runs.give_back()
    assert runs.next_attempt().attempt.checkpoints == [], "they are not tried again"
    assert runs.weights() == expected
    assert len(runs.unreadable) == 2


def test_what_goes_wrong_while_training_is_no_fault_of_the_checkpoint(runs: Runs) -> None:
    runs.keep(10, b"state")

    def run(checkpoints: Checkpoints) -> TrainOutcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_with_checkpoints(runs.reporter, run)
    assert runs.unreadable == []


def test_a_checkpoint_made_under_other_conditions_is_reported(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    runs.weights()
    runs.keep(*runs.states[0])
    assert environments(runs.reporter) == environment()
    runs.give_back()
    runs.next_attempt(threads="77")
    caplog.set_level(logging.WARNING)
    runs.weights()
    threads = f"{environment()['threads']}, then 77"
    assert f"resumes from step 10, where another attempt had other conditions (threads {threads})" in caplog.text
    assert environments(runs.reporter) == {**environment(), "threads": threads}


def test_an_attempt_that_begins_at_step_0_ignores_the_conditions_of_earlier_ones(
    runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    runs.give_back()
    runs.next_attempt(threads="77")
    runs.give_back()
    runs.next_attempt()
    runs.weights()
    assert environments(runs.reporter) == environment()
    assert "other conditions" not in caplog.text
