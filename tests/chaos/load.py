"""The jobs of a run: small trainings, and evaluations and visualizations that wait for them."""

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.calls import Calls, open_connections
from chaos.history import Asked
from chaos.watching import Watcher
from convscope.client import FailedPrecondition
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import CancelJobRequest, CreateJobRequest, Job, JobSpec
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, VisualizeSpec

__all__ = ["RECIPES", "Load", "Submitted"]

# Trainings long enough for several checkpoints, with reports that do not fall on all of them.
RECIPES = {
    "short": TrainSpec(iterations=100, report_interval=20, seed=1),
    "middle": TrainSpec(iterations=200, report_interval=40, seed=2, validation_interval=100),
    "long": TrainSpec(iterations=300, report_interval=50, seed=3),
}

# What follows a training, and how often at most. The second visualization in parts is the same as the first: it takes
# over whatever images that one has already.
FOLLOWERS = {"evaluate": 1, "visualize": 1, "visualize in parts": 2, "visualize restarts": 1, "continue": 1}

# How long the jobs of an undisturbed round may take, in seconds.
UNDISTURBED_S = 180.0

# One job in so many is cancelled, within so many seconds.
CANCELLED_ONE_IN = 6
CANCELLED_WITHIN_S = 8.0


def spec_of(recipe: str, kind: str, model: str) -> JobSpec:
    """Return what a job is asked to do."""
    match kind:
        case "train":
            return JobSpec(train=RECIPES[recipe])
        case "continue":
            return JobSpec(train=TrainSpec(continue_from=model, iterations=75, report_interval=15))
        case "evaluate":
            return JobSpec(evaluate=EvaluateSpec(model=model, max_errors=5))
        case "visualize in parts":
            layers = [LayerSelection(name="conv1"), LayerSelection(name="conv2")]
            return JobSpec(visualize=VisualizeSpec(model=model, selections=layers, iterations=40, restarts=16))
        case "visualize restarts":  # of each feature in several parts, one of which has some of both
            layers = [LayerSelection(name="conv2", list=FeatureList(indices=[5, 6]))]
            return JobSpec(visualize=VisualizeSpec(model=model, selections=layers, iterations=40, restarts=130))
    layers = [LayerSelection(name="conv2")]  # in one part
    return JobSpec(visualize=VisualizeSpec(model=model, selections=layers, iterations=40))


@dataclass(slots=True, kw_only=True)
class Submitted:
    """A job whose creation was acknowledged."""

    asked: Asked
    job: Job
    watcher: Watcher
    cancelled: bool = False


class Load(threading.Thread):
    """Keeps some jobs under way until it is told to stop.

    Args:
        addresses: of the services.
        rng: decides what is asked for.
        recipes: those to choose from.
        open_jobs: so many jobs are under way at a time.
    """

    def __init__(
        self, addresses: Sequence[str], rng: random.Random, recipes: Sequence[str] = tuple(RECIPES), open_jobs: int = 6
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.submitted: list[Submitted] = []
        self.tried: dict[str, Asked] = {}
        self.failure: BaseException | None = None
        self._connections = open_connections(addresses)
        self._calls = Calls(self._connections)
        self._rng = rng
        self._recipes = recipes
        self._open_jobs = open_jobs
        self._run_id = uuid.uuid4().hex[:8]
        self._to_cancel: list[tuple[float, Submitted]] = []
        self._told = threading.Event()

    def run(self) -> None:
        """Submit and cancel."""
        try:
            plan = self._plan()
            while not self._told.wait(0.1):
                if sum(each.watcher.is_alive() for each in self.submitted) < self._open_jobs:
                    next(plan)
                self._cancel_due()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks for it
            self.failure = error

    def stop(self) -> None:
        """Submit no more."""
        self._told.set()
        self.join()
        if self.failure:
            raise self.failure

    def close(self) -> None:
        """End what still goes on, and the connections."""
        self._told.set()
        for each in self.submitted:
            each.watcher.give_up()
        for connection in self._connections:
            connection.close()
        for each in self.submitted:
            each.watcher.join(10)

    def submit(self, recipe: str, kind: str, training: Submitted | None = None) -> Submitted:
        """Submit a job until that is acknowledged, and watch it."""
        asked = Asked(
            request_id=f"{self._run_id}-{len(self.tried)}",
            recipe=recipe,
            kind=kind,
            needs=training.asked.request_id if training else "",
        )
        self.tried[asked.request_id] = asked
        spec = spec_of(recipe, kind, training.job.model if training else "")
        request = CreateJobRequest(spec=spec, request_id=asked.request_id)
        job = self._calls.until_answered(lambda connection: connection.call(connection.jobs.CreateJob, request))
        watcher = Watcher(self._connections, job.name, random.Random(self._rng.random()))
        submitted = Submitted(asked=asked, job=job, watcher=watcher)
        self.submitted.append(submitted)
        watcher.start()
        return submitted

    def submit_each(self) -> None:
        """Submit one job of each sort and wait until all have ended; nothing is to disturb them."""
        for recipe in self._recipes:
            training = self.submit(recipe, "train")
            for kind in FOLLOWERS:
                self.submit(recipe, kind, training)
        deadline = time.monotonic() + UNDISTURBED_S
        for each in self.submitted:
            each.watcher.join(deadline - time.monotonic())
            assert not each.watcher.is_alive(), f"{each.job.name} has not ended, and nothing disturbs it"

    def _plan(self) -> Iterator[None]:
        while True:
            recipe = self._rng.choice(self._recipes)
            training = self._submit_maybe_cancelled(recipe, "train", None)
            yield
            for kind in self._rng.sample(list(FOLLOWERS), self._rng.randint(1, 6), counts=FOLLOWERS.values()):
                with contextlib.suppress(FailedPrecondition):  # the training has been cancelled already
                    self._submit_maybe_cancelled(recipe, kind, training)
                yield

    def _submit_maybe_cancelled(self, recipe: str, kind: str, training: Submitted | None) -> Submitted:
        submitted = self.submit(recipe, kind, training)
        if self._rng.randrange(CANCELLED_ONE_IN) == 0:
            self._to_cancel.append((time.monotonic() + self._rng.uniform(0, CANCELLED_WITHIN_S), submitted))
        return submitted

    def _cancel_due(self) -> None:
        due = [each for each in self._to_cancel if each[0] <= time.monotonic()]
        for each in due:
            self._to_cancel.remove(each)
            self._cancel(each[1])

    def _cancel(self, submitted: Submitted) -> None:
        request = CancelJobRequest(name=submitted.job.name)
        job = self._calls.until_answered(lambda connection: connection.call(connection.jobs.CancelJob, request))
        submitted.cancelled = job.cancel_requested
