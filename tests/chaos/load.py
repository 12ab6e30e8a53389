"""The jobs of a run: small trainings, and evaluations and visualizations that wait for them."""

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from chaos.calls import Calls, open_connections
from chaos.history import Asked
from chaos.watching import Watcher
from convscope.client import FailedPrecondition, NotFound
from convscope.client.connection import Connection
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import CancelJobRequest, CreateJobRequest, DeleteJobRequest, Job, JobSpec
from convscope.v1.models_pb2 import DeleteModelRequest
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, VisualizeSpec

__all__ = ["RECIPES", "Load", "Request", "Submitted"]

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

# One job in so many is deleted within so many seconds of its end, and one model in so many: jobs run on it then.
DELETED_ONE_IN = 8
MODEL_DELETED_ONE_IN = 4
DELETED_WITHIN_S = 12.0


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
class Request:
    """A request that was repeated until it was acknowledged, and when that was, in seconds since 1970."""

    began: float = field(default_factory=time.time)
    acknowledged: float | None = None


@dataclass(slots=True, kw_only=True)
class Submitted:
    """A job whose creation was acknowledged, and what was asked for since.

    Attributes:
        asked: what it is.
        job: as it was made.
        watcher: follows it.
        creation: the request that made it.
        cancel: the request to cancel it, if there was one.
        cancelled: whether that came before its end.
        deletion: the request to delete it, if there was one.
        model_deletion: the request to delete the model that it made, if there was one.
    """

    asked: Asked
    job: Job
    watcher: Watcher
    creation: Request
    cancel: Request | None = None
    cancelled: bool = False
    deletion: Request | None = None
    model_deletion: Request | None = None


class Load(threading.Thread):
    """Keeps some jobs under way until it is told to stop.

    Args:
        addresses: of the services.
        rng: decides what is asked for.
        recipes: those to choose from.
        open_jobs: so many jobs are under way at a time.
        deletes: whether jobs and models are deleted.

    Attributes:
        submitted: the jobs that were acknowledged.
        tried: those that were asked for, by request id.
        refused: jobs that were not made because their model is not there, by the job that made it.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        rng: random.Random,
        recipes: Sequence[str] = tuple(RECIPES),
        open_jobs: int = 6,
        *,
        deletes: bool = False,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.submitted: list[Submitted] = []
        self.tried: dict[str, Asked] = {}
        self.refused: list[Submitted] = []
        self.failure: BaseException | None = None
        self._connections = open_connections(addresses)
        self._calls = Calls(self._connections)
        self._rng = rng
        self._recipes = recipes
        self._open_jobs = open_jobs
        self._run_id = uuid.uuid4().hex[:8]
        self._due: list[tuple[float, Callable[[], object]]] = []
        self._deletes = deletes
        self._ended: set[str] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Submit and cancel."""
        try:
            plan = self._plan()
            while not self._stopping.wait(0.1):
                if sum(submitted.watcher.is_alive() for submitted in self.submitted) < self._open_jobs:
                    next(plan)
                self._delete_some()
                self._act_on_what_is_due()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks for it
            self.failure = error

    def stop(self) -> None:
        """Submit no more."""
        self._stopping.set()
        self.join()
        if self.failure:
            raise self.failure

    def close(self) -> None:
        """End what still runs, and the connections."""
        self._stopping.set()
        for submitted in self.submitted:
            submitted.watcher.give_up()
        for connection in self._connections:
            connection.close()
        for submitted in self.submitted:
            submitted.watcher.join(10)

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
        request = CreateJobRequest(job=Job(spec=spec), request_id=asked.request_id)
        creation = Request()
        job = self._calls.until_answered(lambda connection: connection.call(connection.jobs.CreateJob, request))
        watcher = Watcher(self._connections, job.name, random.Random(self._rng.random()))
        creation.acknowledged = time.time()
        submitted = Submitted(asked=asked, job=job, watcher=watcher, creation=creation)
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
        for submitted in self.submitted:
            submitted.watcher.join(deadline - time.monotonic())
            assert not submitted.watcher.is_alive(), f"{submitted.job.name} has not ended, and nothing disturbs it"

    def _plan(self) -> Iterator[None]:
        while True:
            recipe = self._rng.choice(self._recipes)
            training = self._submit_maybe_cancelled(recipe, "train", None)
            yield
            for kind in self._rng.sample(list(FOLLOWERS), self._rng.randint(1, 6), counts=FOLLOWERS.values()):
                with contextlib.suppress(FailedPrecondition):  # the training has been cancelled already
                    try:
                        self._submit_maybe_cancelled(recipe, kind, training)
                    except NotFound:
                        self.refused.append(training)
                        break
                yield

    def cancel(self, job_id: str) -> None:
        """Have a job cancelled soon; may be called by any thread."""
        for submitted in self.submitted:
            if submitted.job.name == f"jobs/{job_id}":
                self._later(0.0, partial(self._cancel, submitted))
                return

    def _submit_maybe_cancelled(self, recipe: str, kind: str, training: Submitted | None) -> Submitted:
        submitted = self.submit(recipe, kind, training)
        if self._rng.randrange(CANCELLED_ONE_IN) == 0:
            self._later(self._rng.uniform(0, CANCELLED_WITHIN_S), lambda: self._cancel(submitted))
        return submitted

    def _delete_some(self) -> None:
        """Have some of the jobs that have just ended deleted, and some of the models that were just made."""
        for submitted in self.submitted if self._deletes else ():
            if submitted.asked.request_id in self._ended or submitted.watcher.is_alive():
                continue
            self._ended.add(submitted.asked.request_id)
            after = self._rng.uniform(0, DELETED_WITHIN_S)
            if self._rng.randrange(DELETED_ONE_IN) == 0:
                self._later(after, partial(self._delete_job, submitted))
            elif submitted.job.model and self._rng.randrange(MODEL_DELETED_ONE_IN) == 0:
                self._later(after, partial(self._delete_model, submitted))

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        self._due.append((time.monotonic() + seconds, act))

    def _act_on_what_is_due(self) -> None:
        for due in [due for due in self._due if due[0] <= time.monotonic()]:
            self._due.remove(due)
            _, act = due
            act()

    def _cancel(self, submitted: Submitted) -> None:
        submitted.cancel = submitted.cancel or Request()
        request = CancelJobRequest(name=submitted.job.name)
        with contextlib.suppress(NotFound):  # Redis has lost it, or it was deleted
            job = self._calls.until_answered(lambda connection: connection.call(connection.jobs.CancelJob, request))
            submitted.cancel.acknowledged = submitted.cancel.acknowledged or time.time()
            submitted.cancelled = job.cancel_requested

    def _delete_job(self, submitted: Submitted) -> None:
        request = DeleteJobRequest(name=submitted.job.name)
        submitted.deletion = Request()
        self._delete_until_gone(submitted.deletion, lambda to: to.call(to.jobs.DeleteJob, request))

    def _delete_model(self, submitted: Submitted) -> None:
        request = DeleteModelRequest(name=submitted.job.model)
        submitted.model_deletion = Request()
        self._delete_until_gone(submitted.model_deletion, lambda to: to.call(to.models.DeleteModel, request))

    def _delete_until_gone(self, request: Request, call: Callable[[Connection], object]) -> None:
        with contextlib.suppress(FailedPrecondition):  # Redis has lost its end, and it runs again
            with contextlib.suppress(NotFound):  # the reply before was lost
                self._calls.until_answered(call)
            request.acknowledged = time.time()
