"""A separate service whose jobs end at once, with large results: for programs that await many of them."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf.duration_pb2 import Duration

from convscope.v1 import evaluate_pb2, evaluations_pb2, jobs_pb2, models_pb2, train_pb2, visualize_pb2
from convscope.v1.feature_pb2 import Feature
from convscope.worker.executor.tensors import tensor
from support.fake_service import event, finished, job, running_fake

# What one result has: reports of a training, classes and examples of an evaluation, images of a visualization.
REPORTS, CLASSES, EXAMPLES, IMAGES = 10_000, 200, 500, 50
KINDS = ("train", "evaluate", "visualize")

PIXELS = tensor(np.zeros((64, 64, 3), np.float32))


def kind_of(name: str) -> str:
    """Return the kind of the job ``jobs/N``."""
    return KINDS[int(name.rpartition("/")[2]) % len(KINDS)]


def described(request: Any, _: Any) -> jobs_pb2.Job:
    """Return a job that runs."""
    message = job(kind_of(request.name))
    message.name = request.name
    message.effective_spec.MergeFrom(SPECS[kind_of(request.name)])
    return message


def watched(request: Any, _: Any) -> Iterator[jobs_pb2.JobEvent]:
    """Yield its events: its outcome, and its end."""
    kind, last = kind_of(request.name), 2
    yield event(1)
    if kind == "visualize":
        for number in range(IMAGES):
            optimized = visualize_pb2.OptimizedImage(pixels=PIXELS, objective=number)
            image = visualize_pb2.Image(feature=Feature(layer="a", index=number), final=optimized, best=optimized)
            yield event(2 + number, image_ready=visualize_pb2.ImageReady(image=image))
        last += IMAGES
    yield finished(last, result=RESULTS[kind])


def scores(number: int) -> evaluate_pb2.ClassScores:
    return evaluate_pb2.ClassScores(class_name=f"class {number}", precision=0.5, recall=0.5, f1=0.5, example_count=9)


SPECS = {
    "train": jobs_pb2.JobSpec(train=train_pb2.TrainSpec(dataset="datasets/mnist")),
    "evaluate": jobs_pb2.JobSpec(evaluate=evaluate_pb2.EvaluateSpec(model="models/m")),
    "visualize": jobs_pb2.JobSpec(visualize=visualize_pb2.VisualizeSpec(model="models/m")),
}

RESULTS = {
    "train": jobs_pb2.JobResult(train=train_pb2.TrainResult(model="models/m", step=REPORTS)),
    "evaluate": jobs_pb2.JobResult(
        evaluate=evaluate_pb2.EvaluateResult(
            classes=[scores(number) for number in range(CLASSES)],
            confusion_matrix=tensor(np.zeros((CLASSES, CLASSES), np.int64)),
        )
    ),
    "visualize": jobs_pb2.JobResult(
        visualize=visualize_pb2.VisualizeResult(image_count=IMAGES, duration=Duration(seconds=1))
    ),
}

HISTORY = models_pb2.ListTrainReportsResponse(
    reports=[train_pb2.TrainProgress(step=step, loss=1.0, batch_accuracy=0.5) for step in range(1, REPORTS + 1)]
)
MISTAKES = evaluations_pb2.ListExamplesResponse(
    examples=[
        evaluations_pb2.Example(index=index, pixels=tensor(np.zeros((28, 28, 1), np.float32)), probability=0.5)
        for index in range(EXAMPLES)
    ]
)


def serve() -> None:
    """Serve until the input ends, and print the address."""
    with running_fake(threads=64) as fake:
        fake.handlers |= {
            "GetJob": described,
            "WatchJob": watched,
            "ListTrainReports": lambda *_: HISTORY,
            "ListExamples": lambda *_: MISTAKES,
        }
        print(fake.address, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    serve()
