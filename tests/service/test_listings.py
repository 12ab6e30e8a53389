"""What listings send: views, filters, orders and pages, as a client gets them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from convscope.store import BlobStore, JobStore
from convscope.store.redis.keys import key
from convscope.v1.evaluate_pb2 import EvaluateResult, EvaluateSpec
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    Job,
    JobFilter,
    JobKind,
    JobResult,
    JobSpec,
    JobState,
    JobView,
    ListJobsRequest,
)
from convscope.v1.models_pb2 import (
    GetModelRequest,
    Interpretation,
    Layer,
    ListModelsRequest,
    ListModelsResponse,
    Model,
    ModelFilter,
    ModelInput,
    ModelState,
    ModelView,
)
from convscope.v1.train_pb2 import TrainSpec
from support.api import PATIENCE_S, Api, pages_of

MNIST, OTHER = "datasets/mnist", "datasets/other"

INTERPRETATION = Interpretation(input=ModelInput(shape=[28, 28, 1]), classes=["0", "1"])


def milliseconds(connection: redis.Redis) -> int:
    """Return the time of Redis."""
    seconds, microseconds = connection.time()
    return seconds * 1000 + microseconds // 1000


@pytest.fixture
def models(connection: redis.Redis, api: Api) -> list[str]:
    """Names of models, the oldest first; all are pending but the second, which failed."""
    datasets = {"m": MNIST, "z": MNIST, "a": OTHER, "y": MNIST}
    jobs = []
    for model_id, dataset in datasets.items():
        model = Model(dataset=dataset, interpretation=INTERPRETATION, layers=[Layer(name="logits")], step=7)
        job, _ = JobStore(connection).create(
            JobSpec(train=TrainSpec()), request_digest="d", model=model, model_id=model_id
        )
        jobs.append(job)
        created = milliseconds(connection)
        while milliseconds(connection) == created:  # models of one millisecond are listed by their ids
            pass
    api.jobs.CancelJob(CancelJobRequest(name=jobs[1].name), timeout=PATIENCE_S)
    return [job.model for job in jobs]


def model_pages(api: Api, request: ListModelsRequest) -> Iterator[ListModelsResponse]:
    return pages_of(api.models.ListModels, request)


def names(api: Api, **request: object) -> list[str]:
    pages = model_pages(api, ListModelsRequest(**request))  # type: ignore[arg-type]
    return [model.name for page in pages for model in page.models]


def test_models_come_in_the_order_of_their_creation(api: Api, models: list[str]) -> None:
    for size in (0, 1, 3):
        assert names(api, page_size=size) == models[::-1]
        assert names(api, page_size=size, order_by="create_time desc") == models[::-1]
        assert names(api, page_size=size, order_by="create_time") == models
    assert [len(page.models) for page in model_pages(api, ListModelsRequest(page_size=3))] == [3, 1]
    assert [len(page.models) for page in model_pages(api, ListModelsRequest(page_size=-5))] == [1] * 4


def test_models_are_filtered(api: Api, models: list[str]) -> None:
    pending, failed = ModelState.MODEL_STATE_PENDING, ModelState.MODEL_STATE_FAILED
    filtered = {
        name: names(api, filter=filter_, order_by="create_time", page_size=1)
        for name, filter_ in {
            "failed": ModelFilter(states=[failed]),
            "any state": ModelFilter(states=[failed, pending]),
            "other": ModelFilter(datasets=[OTHER]),
            "both": ModelFilter(states=[pending], datasets=[MNIST, "datasets/none"]),
            "none": ModelFilter(states=[failed], datasets=[OTHER]),
        }.items()
    }
    assert filtered == {
        "failed": [models[1]],
        "any state": models,
        "other": [models[2]],
        "both": [models[0], models[3]],
        "none": [],
    }


def test_a_basic_model_is_short(api: Api, models: list[str]) -> None:
    def listed(view: ModelView.ValueType) -> Model:
        request = ListModelsRequest(view=view, order_by="create_time")
        return api.models.ListModels(request, timeout=PATIENCE_S).models[0]

    def got(view: ModelView.ValueType) -> Model:
        return api.models.GetModel(GetModelRequest(name=models[0], view=view), timeout=PATIENCE_S)

    unset, basic, full = ModelView.MODEL_VIEW_UNSPECIFIED, ModelView.MODEL_VIEW_BASIC, ModelView.MODEL_VIEW_FULL
    assert listed(unset) == listed(basic) == got(basic)
    assert got(unset) == got(full) == listed(full)
    model = got(full)
    assert (list(model.interpretation.classes), [layer.name for layer in model.layers]) == (["0", "1"], ["logits"])
    assert model.lineage.job
    model.interpretation.ClearField("classes")
    for field in ("layers", "lineage"):
        model.ClearField(field)
    assert model == got(basic)
    assert (model.dataset, model.step, bool(model.create_time.seconds)) == (MNIST, 7, True)


@pytest.fixture
def jobs(connection: redis.Redis, api: Api, models: list[str]) -> list[str]:
    """Names of jobs, the oldest first: four trainings, the second of which is cancelled, and two evaluations."""
    trainings = [api.models.GetModel(GetModelRequest(name=name), timeout=PATIENCE_S).lineage.job for name in models]
    evaluations = [
        JobStore(connection).create(JobSpec(evaluate=EvaluateSpec(model=models[0])), request_digest="d")[0].name
        for _ in range(2)
    ]
    return trainings + evaluations


def listed_jobs(api: Api, **fields: object) -> list[Job]:
    request = ListJobsRequest(**fields)  # type: ignore[arg-type]
    return [job for page in pages_of(api.jobs.ListJobs, request) for job in page.jobs]


def test_jobs_come_in_the_order_of_their_creation(api: Api, jobs: list[str]) -> None:
    for size in (0, 1, 4):
        assert [job.name for job in listed_jobs(api, page_size=size)] == jobs[::-1]
        assert [job.name for job in listed_jobs(api, page_size=size, order_by="create_time")] == jobs


def test_jobs_are_filtered(api: Api, jobs: list[str]) -> None:
    queued, cancelled = JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_CANCELLED
    train, evaluate = JobKind.JOB_KIND_TRAIN, JobKind.JOB_KIND_EVALUATE

    def names_of(**filter_: object) -> list[str]:
        wanted = JobFilter(**filter_)  # type: ignore[arg-type]
        return [job.name for job in listed_jobs(api, filter=wanted, order_by="create_time", page_size=1)]

    assert names_of(states=[cancelled]) == [jobs[1]]
    assert names_of(states=[queued, cancelled]) == jobs
    assert names_of(kinds=[evaluate]) == jobs[4:]
    assert names_of(kinds=[train], states=[queued]) == [jobs[0], *jobs[2:4]]
    assert names_of(kinds=[evaluate], states=[cancelled]) == []


def test_jobs_are_found_by_their_labels(connection: redis.Redis, api: Api) -> None:
    store = JobStore(connection)
    spec = JobSpec(train=TrainSpec())
    labelled: list[dict[str, str]] = [{"by": "ann", "run": "1"}, {"by": "ann", "run": "2"}, {"by": "bob"}, {}]
    names = [
        store.create(spec, sent=Job(spec=spec, labels=labels), request_digest="d", model=Model())[0].name
        for labels in labelled
    ]

    def names_of(labels: dict[str, str], **more: object) -> list[str]:
        wanted = JobFilter(labels=labels, **more)  # type: ignore[arg-type]
        return [job.name for job in listed_jobs(api, filter=wanted, order_by="create_time", page_size=1)]

    assert names_of({"by": "ann"}) == names[:2]
    assert names_of({"by": "ann", "run": "2"}) == [names[1]]
    assert names_of({"by": "bob", "run": "2"}) == names_of({"by": "an"}) == names_of({"run": ""}) == []
    api.jobs.CancelJob(CancelJobRequest(name=names[0]), timeout=PATIENCE_S)
    assert names_of({"by": "ann"}, states=[JobState.JOB_STATE_CANCELLED]) == [names[0]]
    assert names_of({"by": "ann"}, kinds=[JobKind.JOB_KIND_EVALUATE]) == []
    store.delete(names[0])
    assert names_of({"by": "ann"}) == [names[1]]
    assert connection.exists(key("jobs_labelled", "local", "run", "1")) == 0


def test_a_basic_job_is_short(connection: redis.Redis, api: Api, jobs: list[str], image_home: Path) -> None:
    result = JobResult(evaluate=EvaluateResult(accuracy=0.5))
    digest = BlobStore((image_home / "artifacts").as_uri()).put(result.SerializeToString())
    connection.hset(key("job", jobs[-1].removeprefix("jobs/")), "result", digest)
    connection.hset(key("job", jobs[-2].removeprefix("jobs/")), "result", "0" * 64)  # which is missing

    def got(view: JobView.ValueType) -> Job:
        job = api.jobs.GetJob(GetJobRequest(name=jobs[-1], view=view), timeout=PATIENCE_S)
        job.ClearField("waiting")  # which listings leave out
        return job

    unset, basic, full = JobView.JOB_VIEW_UNSPECIFIED, JobView.JOB_VIEW_BASIC, JobView.JOB_VIEW_FULL
    assert listed_jobs(api) == listed_jobs(api, view=basic)
    assert listed_jobs(api)[0] == got(basic)
    assert listed_jobs(api, view=full)[0] == got(full) == got(unset)
    assert not listed_jobs(api, view=full)[1].HasField("result")
    job = got(full)
    assert (job.kind, job.effective_spec.WhichOneof("kind"), job.result) == (
        JobKind.JOB_KIND_EVALUATE,
        "evaluate",
        result,
    )
    for field in ("spec", "effective_spec", "result"):
        job.ClearField(field)
    assert job == got(basic)


def test_a_basic_job_tells_that_it_is_asked_to_stop(api: Api, jobs: list[str]) -> None:
    job = api.jobs.CancelJob(CancelJobRequest(name=jobs[-1]), timeout=PATIENCE_S)
    assert (job.state, job.HasField("spec"), job.HasField("effective_spec")) == (
        JobState.JOB_STATE_CANCELLED,
        False,
        False,
    )
