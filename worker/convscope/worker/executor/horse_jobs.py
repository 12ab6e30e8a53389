"""Each kind of job: from its spec, through the computation, to its result."""

from collections.abc import Callable, Mapping
from time import perf_counter

from convscope.engine.data import load_dataset
from convscope.engine.evaluation.evaluation import evaluate
from convscope.engine.models.keras_files import model_to_bytes
from convscope.engine.models.network import describe
from convscope.engine.training import Checkpoints, TrainOutcome, TrainReport, train
from convscope.store import ModelStore
from convscope.v1.evaluate_pb2 import EvaluateProgress
from convscope.v1.jobs_pb2 import JobEvent, JobResult
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainProgress, TrainResult
from convscope.worker.executor import convert
from convscope.worker.executor.horse_checkpoints import environments, train_with_checkpoints
from convscope.worker.executor.horse_models import load_model
from convscope.worker.executor.horse_report import Reporter
from convscope.worker.executor.horse_visualize import VisualizeRunner

__all__ = ["runners"]


def _train(reporter: Reporter) -> None:
    spec = reporter.attempt.spec.train
    dataset = load_dataset(spec.dataset)
    reported = max((event.train_progress.step for event in reporter.logged()), default=0)

    def report(found: TrainReport) -> None:
        if found.step > reported:  # an attempt before may have come further than its last checkpoint
            reporter.event(JobEvent(train_progress=convert.train_progress(found)))

    def run(checkpoints: Checkpoints) -> TrainOutcome:
        parent, parent_file = load_model(reporter, spec.continue_from) if spec.continue_from else (None, None)
        return train(
            dataset,
            convert.train_settings(spec),
            model=parent_file,
            start_step=parent.step if parent else 0,
            checkpoints=checkpoints,
            report=report,
            pulse=reporter.pulse,
        )

    outcome = train_with_checkpoints(reporter, run)
    history = _history(reporter, spec.continue_from) if spec.continue_from else []
    history += [event.train_progress for event in reporter.logged() if event.HasField("train_progress")]
    _succeed_with_model(reporter, outcome, history)


def _succeed_with_model(reporter: Reporter, outcome: TrainOutcome, history: list[TrainProgress]) -> None:
    attempt = reporter.attempt
    file = model_to_bytes(outcome.model)
    model = ModelStore(reporter.redis).get(f"models/{attempt.makes}")
    del model.layers[:]
    model.layers.extend(convert.layers(describe(outcome.model)))
    model.parameters = sum(layer.parameters for layer in model.layers)
    model.step = outcome.step
    model.size_bytes = len(file)
    model.sha256 = reporter.blobs.put(file)
    model.lineage.environment.update(environments(reporter))
    result = TrainResult(
        model=model.name,
        step=outcome.step,
        train_seconds=outcome.seconds,
        steps_per_second=outcome.steps_per_second,
    )
    history_blob = reporter.blobs.put(Model(history=history).SerializeToString())
    attempt.succeed(_store(reporter, JobResult(train=result)), model, history_blob)


def _evaluate(reporter: Reporter) -> None:
    spec = reporter.attempt.spec.evaluate
    model, file = load_model(reporter, spec.model)
    dataset = load_dataset(model.dataset)
    split = getattr(dataset, convert.SPLITS[spec.split])
    throttle = Throttle()
    reported = max((event.evaluate_progress.completed for event in reporter.logged()), default=0)

    def progress(done: int, total: int) -> None:
        if done > reported and (throttle.due() or done == total):
            reporter.event(JobEvent(evaluate_progress=EvaluateProgress(completed=done, total=total)))

    found = evaluate(
        file,
        split.images,
        split.labels,
        convert.evaluate_settings(spec),
        classes=dataset.classes,
        progress=progress,
        pulse=reporter.pulse,
    )
    result = convert.evaluate_result(found, spec.split, dataset.classes)
    reporter.attempt.succeed(_store(reporter, JobResult(evaluate=result)))


def runners() -> Mapping[str, Callable[[Reporter], None]]:
    """Return what computes a part of each kind of job; to be kept by a horse that computes several parts."""
    return {"train": _train, "evaluate": _evaluate, "visualize": VisualizeRunner()}


class Throttle:
    """Says when it is time for another event of a fast computation: at first, then five times a second."""

    PERIOD_S = 0.2

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time; if so, the next time is later."""
        now = perf_counter()
        if now < self._next:
            return False
        self._next = now + self.PERIOD_S
        return True


def _history(reporter: Reporter, name: str) -> list[TrainProgress]:
    digest = ModelStore(reporter.redis).history_digest(name)
    return list(Model.FromString(reporter.blobs.get(digest)).history) if digest else []


def _store(reporter: Reporter, result: JobResult) -> str:
    return reporter.blobs.put(result.SerializeToString())
