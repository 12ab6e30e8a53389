"""No listing has a page that a client with default limits refuses: 4 MiB in every language."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from convscope.store import JobStore
from convscope.store.jobs.attachments import Attachments, ExamplesBlob
from convscope.store.redis.keys import key
from convscope.v1.evaluate_pb2 import ClassScores, EvaluateResult
from convscope.v1.evaluations_pb2 import Example, ListExamplesRequest, ListExamplesResponse
from convscope.v1.images_pb2 import ListImagesRequest
from convscope.v1.jobs_pb2 import Job, JobResult, JobSpec, JobView, ListJobsRequest
from convscope.v1.models_pb2 import (
    Interpretation,
    Layer,
    ListModelsRequest,
    ListTrainReportsRequest,
    ListTrainReportsResponse,
    Model,
    ModelView,
)
from convscope.v1.objective_pb2 import DirectionTerm, Objective, Term
from convscope.v1.tensor_pb2 import ElementType, Tensor
from convscope.v1.train_pb2 import TrainProgress, TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.api import PATIENCE_S, Api, pages_of, refused, violations
from support.part_jobs import claim
from support.stored_images import Store
from support.trained_models import train_model

# What gRPC's clients take by default, in bytes.
MOST = 4 * 2**20


def check(method: Callable[..., Any], request: Any, *, whole: int) -> None:
    """Check that all pages fit, though what is listed does not fit in one."""
    sizes = [page.ByteSize() for page in pages_of(method, request)]
    assert max(sizes) <= MOST
    assert sum(sizes) >= whole > MOST


def large_spec(model: str, count: int) -> VisualizeSpec:
    """Return a spec of so many times 256 KiB."""
    term = Term(weight=1, direction=DirectionTerm(layer="dense", vector=[1] * 65_536))
    return VisualizeSpec(model=model, objectives=[Objective(terms=[term])] * count)


def test_jobs(api: Api, store: Store, connection: redis.Redis) -> None:
    spec = JobSpec(visualize=large_spec("models/m", 5))
    classes = [ClassScores(class_name=f"{number:0200}") for number in range(1000)]
    matrix = Tensor(element_type=ElementType.ELEMENT_TYPE_INT64, shape=[256, 256], data=bytes(8 * 256**2))
    result = JobResult(evaluate=EvaluateResult(confusion_matrix=matrix, classes=classes))
    digest = store.blobs.put(result.SerializeToString())
    for _ in range(3):
        job, _ = JobStore(connection).create(spec, sent=Job(spec=spec), request_digest="d")
        connection.hset(key("job", job.name.removeprefix("jobs/")), "result", digest)
    request = ListJobsRequest(view=JobView.JOB_VIEW_FULL, page_size=1000)
    check(api.jobs.ListJobs, request, whole=3 * 2 * 5 * 2**18)
    assert api.get(job).ByteSize() <= MOST


def test_a_job_that_would_not_fit_is_refused(api: Api, connection: redis.Redis) -> None:
    layers = [Layer(name="dense", kind=4, output_shape=[65_536], feature_count=65_536)]  # type: ignore[arg-type]
    shape = {"shape": [28, 28, 1]}
    model = Model(interpretation=Interpretation(input=shape, classes=["0", "1"]), layers=layers)  # type: ignore[arg-type]
    training, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=model)
    assert api.create(large_spec(training.model, 5)).name
    error = refused(lambda: api.create(large_spec(training.model, 7)))
    assert list(violations(error)) == ["job.spec"]


def test_models(api: Api, connection: redis.Redis) -> None:
    layers = [Layer(name=f"{number:0200}", inputs=["x" * 200]) for number in range(4000)]
    for _ in range(4):
        model = Model(layers=layers)
        JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=model)
    request = ListModelsRequest(view=ModelView.MODEL_VIEW_FULL, page_size=1000)
    check(api.models.ListModels, request, whole=4 * 4000 * 400)


def test_train_reports(api: Api, store: Store, connection: redis.Redis) -> None:
    model = train_model(connection, store.blobs)
    report = TrainProgress(last_step=2**60, loss=1, batch_accuracy=1, steps_per_second=1, validation_accuracy=1)
    reports = ListTrainReportsResponse(reports=[report] * 100_000)
    for step, report in enumerate(reports.reports):
        report.step = 2**50 + step
    digest = store.blobs.put(reports.SerializeToString())
    connection.hset(key("model", model.name.removeprefix("models/")), "history", digest)
    request = ListTrainReportsRequest(parent=model.name, page_size=10_000)
    check(api.models.ListTrainReports, request, whole=5 * 2**20)


def test_examples(api: Api, store: Store) -> None:
    pixels = Tensor(element_type=ElementType.ELEMENT_TYPE_FLOAT32, shape=[128, 128, 3], data=bytes(4 * 128 * 128 * 3))
    evaluation = store.evaluation()
    blobs = [
        ListExamplesResponse(examples=[Example(index=10 * number + index, pixels=pixels) for index in range(10)])
        for number in range(5)
    ]
    kept = [ExamplesBlob(blob.examples[0].index, store.blobs.put(blob.SerializeToString())) for blob in blobs]
    claim(store.connection, evaluation).succeed("", attachments=Attachments(examples=kept))
    request = ListExamplesRequest(parent=evaluation.name, page_size=1000)
    check(api.evaluations.ListExamples, request, whole=50 * len(pixels.data))


def test_images(api: Api, store: Store) -> None:
    job = store.job({"conv": range(30)}, shape=(128, 128, 3))
    request = ListImagesRequest(parent=job.name, page_size=1000)
    check(api.images.ListImages, request, whole=30 * 2 * 4 * 128 * 128 * 3)


@pytest.mark.parametrize("pixels", [3 * 2**20 // 4, 2 * 2**20])
def test_a_page_holds_one_large_example_at_least(api: Api, store: Store, pixels: int) -> None:
    """Only pages that hold one image are as large as the image."""
    image = Tensor(element_type=ElementType.ELEMENT_TYPE_FLOAT32, shape=[pixels, 1, 1], data=bytes(4 * pixels))
    evaluation = store.evaluation()
    blob = store.blobs.put(ListExamplesResponse(examples=[Example(index=7, pixels=image)]).SerializeToString())
    claim(store.connection, evaluation).succeed("", attachments=Attachments(examples=[ExamplesBlob(7, blob)]))
    request = ListExamplesRequest(parent=evaluation.name)
    if 4 * pixels < MOST:
        assert len(api.evaluations.ListExamples(request, timeout=PATIENCE_S).examples) == 1
    else:
        error = refused(lambda: api.evaluations.ListExamples(request, timeout=PATIENCE_S))
        assert error.code().name == "RESOURCE_EXHAUSTED"
