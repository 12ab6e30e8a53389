"""Evaluation jobs: from the spec, through the computation, to the result."""

import io
from collections.abc import Iterable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from convscope.engine import evaluate, load_dataset
from convscope.store import EXAMPLES_BYTES, Attachments, ExamplesBlob, StoredFile
from convscope.v1.evaluate_pb2 import EvaluateProgress
from convscope.v1.evaluations_pb2 import Example, ListExamplesResponse
from convscope.v1.jobs_pb2 import JobEvent, JobResult
from convscope.worker.executor import convert
from convscope.worker.executor.context import AttemptContext
from convscope.worker.executor.models import open_model

__all__ = ["run_evaluation"]


def run_evaluation(context: AttemptContext) -> None:
    """Measure a model on a split of its dataset.

    Args:
        context: of the attempt.
    """
    spec = context.attempt.spec.evaluate
    model = context.attempt.model
    dataset = load_dataset(model.dataset)
    split = dataset.split(spec.split)
    throttle = Throttle()
    reported = max((event.evaluate_progress.completed_count for event in context.logged()), default=0)

    def progress(done: int, total: int) -> None:
        if done > reported and (throttle.due() or done == total):
            context.event(JobEvent(evaluate_progress=EvaluateProgress(completed_count=done, total_count=total)))

    evaluation = evaluate(
        open_model(context),
        split.images,
        split.labels,
        convert.evaluate_settings(spec),
        classes=dataset.classes,
        progress=progress,
        pulse=context.pulse,
    )
    result = convert.evaluate_result(evaluation, spec.split, dataset.classes)
    attachments = Attachments(
        examples=_put_examples(context, map(convert.example, evaluation.errors)),
        files=[_put_matrix(context, evaluation.confusion)],
    )
    context.attempt.succeed(
        context.attempt.put(JobResult(evaluate=result).SerializeToString()), attachments=attachments
    )


def _put_matrix(context: AttemptContext, confusion: NDArray[np.int64]) -> StoredFile:
    """Store the confusion matrix, int64 [classes, classes], as a file."""
    file = io.BytesIO()
    np.save(file, confusion.astype("<i8"), allow_pickle=False)
    data = file.getvalue()
    return StoredFile("confusion-matrix.npy", "application/x-npy", context.attempt.put(data), len(data))


def _put_examples(context: AttemptContext, examples: Iterable[Example]) -> list[ExamplesBlob]:
    """Store examples in blobs that are small enough to be read whole."""
    blobs: list[ExamplesBlob] = []
    waiting = ListExamplesResponse()
    used = 0

    def put() -> None:
        digest = context.attempt.put(waiting.SerializeToString())
        blobs.append(ExamplesBlob(waiting.examples[0].index, digest))

    for example in examples:
        used += example.ByteSize()
        if waiting.examples and used > EXAMPLES_BYTES:
            put()
            waiting, used = ListExamplesResponse(), example.ByteSize()
        waiting.examples.append(example)
    if waiting.examples:
        put()
    return blobs


class Throttle:
    """Limits the events of a fast computation: the first at once, then five a second."""

    PERIOD_S = 0.2

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        """Return whether an event is due; if so, the next one is due a period later."""
        now = perf_counter()
        if now < self._next:
            return False
        self._next = now + self.PERIOD_S
        return True
