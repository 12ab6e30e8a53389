"""Training jobs: from the spec, through the computation, to the model and its history."""

from convscope.engine import Checkpoints, TrainOutcome, TrainReport, describe, load_dataset, model_to_bytes, train
from convscope.store import ModelStore
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import JobEvent, JobResult
from convscope.v1.models_pb2 import ListTrainReportsResponse
from convscope.v1.train_pb2 import TrainProgress, TrainResult
from convscope.worker.executor import convert
from convscope.worker.executor.checkpoints import environments, train_with_checkpoints
from convscope.worker.executor.context import AttemptContext
from convscope.worker.executor.models import load_model

__all__ = ["run_training"]


def run_training(context: AttemptContext) -> None:
    """Train a network, from its latest checkpoint if there is one.

    Args:
        context: of the attempt.
    """
    spec = context.attempt.spec.train
    dataset = load_dataset(spec.dataset)
    reported = max((event.train_progress.step for event in context.logged()), default=0)

    def progress(report: TrainReport) -> None:
        if report.step > reported:  # an earlier attempt may have come further than its last checkpoint
            context.event(JobEvent(train_progress=convert.train_progress(report)))

    def run(checkpoints: Checkpoints) -> TrainOutcome:
        return train(
            dataset,
            convert.train_settings(spec),
            model=load_model(context) if spec.continue_from else None,
            start_step=context.attempt.model.step,
            checkpoints=checkpoints,
            progress=progress,
            pulse=context.pulse,
            caches=context.caches,
        )

    outcome = train_with_checkpoints(context, run)
    history = _history(context)
    history += [event.train_progress for event in context.logged() if event.HasField("train_progress")]
    _succeed_with_model(context, outcome, history)


def _succeed_with_model(context: AttemptContext, outcome: TrainOutcome, history: list[TrainProgress]) -> None:
    attempt = context.attempt
    file = model_to_bytes(outcome.model)
    model = ModelStore(context.redis).get(f"models/{attempt.makes}")
    del model.layers[:]
    model.layers.extend(convert.layers(describe(outcome.model)))
    model.parameter_count = sum(layer.parameter_count for layer in model.layers)
    model.step = outcome.step
    model.digest.CopyFrom(Digest(sha256=attempt.put(file), size_bytes=len(file)))
    model.lineage.environment.update(environments(context))
    result = TrainResult(
        model=model.name,
        step=outcome.step,
        train_duration=convert.duration(outcome.seconds),
        steps_per_second=outcome.steps_per_second,
    )
    history_blob = attempt.put(ListTrainReportsResponse(reports=history).SerializeToString())
    attempt.succeed(attempt.put(JobResult(train=result).SerializeToString()), model, history_blob)


def _history(context: AttemptContext) -> list[TrainProgress]:
    digest = context.attempt.model_history
    return list(ListTrainReportsResponse.FromString(context.blobs.get(digest)).reports) if digest else []
