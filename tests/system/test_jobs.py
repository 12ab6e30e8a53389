"""Jobs as clients see them: watched from anywhere, cancelled, listed, deleted, requested twice."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from convscope.v1.datasets_pb2 import GetDatasetRequest, ListDatasetsRequest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import (
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    Job,
    JobFilter,
    JobKind,
    JobState,
    JobView,
    ListJobsRequest,
    WatchJobRequest,
)
from convscope.v1.models_pb2 import (
    DeleteModelRequest,
    ExportModelRequest,
    GetModelRequest,
    ListModelsRequest,
    ModelFilter,
    ModelState,
)
from convscope.v1.train_pb2 import Adam, TrainSpec
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, VisualizeSpec
from support.api import Api, violations

ENDLESS = TrainSpec(iterations=10_000_000, report_interval=1_000)


def wait_until_it_computes(api: Api, job: Job) -> None:
    watch = api.watch(job)
    for event in watch:
        if event.HasField("train_progress"):
            break


def test_a_watch_resumes_anywhere(api: Api) -> None:
    job = api.create(TrainSpec(iterations=20, report_interval=2))
    live = list(api.watch(job))
    assert [event.sequence for event in live] == list(range(1, len(live) + 1))
    assert live[0].HasField("queued")
    assert live[-1].HasField("finished")
    for after in range(len(live)):
        assert list(api.watch(job, after)) == live[after:]
    times = [event.time.ToNanoseconds() for event in live]
    assert times == sorted(times)


def test_many_watchers_see_the_same(api: Api) -> None:
    job = api.create(TrainSpec(iterations=30, report_interval=1))
    watched: list[list[int]] = []

    def watch() -> None:
        watched.append([event.sequence for event in api.watch(job)])

    watchers = [threading.Thread(target=watch) for _ in range(8)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    assert len(watched) == 8
    assert all(sequences == list(range(1, 34)) for sequences in watched)  # queued, started, 30 steps, finished


def test_a_sequence_ahead_of_the_log_is_reported(api: Api) -> None:
    job = api.finish(api.create(TrainSpec(iterations=0)))
    assert list(api.watch(job, job.sequence)) == []
    with pytest.raises(grpc.RpcError) as caught:
        list(api.watch(job, job.sequence + 1))
    assert caught.value.code() == grpc.StatusCode.DATA_LOSS


def test_a_running_job_is_cancelled_and_its_waiters_end(api: Api) -> None:
    job = api.create(ENDLESS)
    waiter = api.create(EvaluateSpec(model=job.model))
    wait_until_it_computes(api, job)
    assert api.cancel(job).cancel_requested
    ended = api.finish(job)
    assert ended.state == JobState.JOB_STATE_CANCELLED
    assert not ended.HasField("failure")
    events = [event.WhichOneof("event") for event in api.watch(job)]
    assert events[-2:] == ["cancel_requested", "finished"]
    abandoned = api.finish(waiter)
    assert abandoned.state == JobState.JOB_STATE_FAILED
    assert job.model in abandoned.failure.message
    model = api.models.GetModel(GetModelRequest(name=job.model))
    assert model.state == ModelState.MODEL_STATE_FAILED
    with pytest.raises(grpc.RpcError) as caught:
        api.create(EvaluateSpec(model=job.model))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    again = api.cancel(job)  # without its specs
    assert (again.name, again.state, again.sequence) == (ended.name, ended.state, ended.sequence)


def test_a_long_visualization_is_cancelled(api: Api) -> None:
    trained = api.create(TrainSpec(iterations=0))
    spec = VisualizeSpec(model=trained.model, iterations=10_000, selections=[LayerSelection(name="dense1")])
    job = api.create(spec)
    next(event for event in api.watch(job) if event.HasField("attempt_started"))
    api.cancel(job)
    assert api.finish(job).state == JobState.JOB_STATE_CANCELLED


def test_a_queued_job_is_cancelled_at_once(api: Api) -> None:
    busy = api.create(ENDLESS)
    wait_until_it_computes(api, busy)
    queued = api.create(TrainSpec(iterations=0))
    assert api.cancel(queued).state == JobState.JOB_STATE_CANCELLED
    api.cancel(busy)
    api.finish(busy)
    events = [event.WhichOneof("event") for event in api.watch(queued)]
    assert events == ["queued", "cancel_requested", "finished"]


def test_a_request_id_makes_one_job(api: Api) -> None:
    spec = TrainSpec(iterations=0, seed=77)
    first = api.create(spec, request_id="once")
    assert api.create(spec, request_id="once").name == first.name
    with pytest.raises(grpc.RpcError) as caught:
        api.create(TrainSpec(iterations=1, seed=77), request_id="once")
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert first.name in (caught.value.details() or "")
    api.finish(first)
    ended = api.get(first)
    ended.ClearField("result")
    assert api.create(spec, request_id="once") == ended


def test_jobs_are_listed_in_pages(api: Api) -> None:
    jobs = [api.finish(api.create(TrainSpec(iterations=0))).name for _ in range(3)]
    names, token = [], ""
    for _ in itertools.count():
        page = api.jobs.ListJobs(ListJobsRequest(page_size=2, page_token=token))
        assert len(page.jobs) <= 2
        assert not any(job.HasField("effective_spec") or job.HasField("result") for job in page.jobs)
        names += [job.name for job in page.jobs]
        token = page.next_page_token
        if not token:
            break
    assert names[:3] == jobs[::-1]
    assert len(set(names)) == len(names)
    wanted = JobFilter(kinds=[JobKind.JOB_KIND_EVALUATE], states=[JobState.JOB_STATE_SUCCEEDED])
    filtered = api.jobs.ListJobs(ListJobsRequest(filter=wanted, view=JobView.JOB_VIEW_FULL, page_size=1000))
    assert all(job.effective_spec.HasField("evaluate") for job in filtered.jobs)
    assert all(job.result.HasField("evaluate") for job in filtered.jobs)


def test_a_job_is_deleted_after_its_end(api: Api) -> None:
    job = api.create(TrainSpec(iterations=0))
    api.finish(job)
    api.jobs.DeleteJob(DeleteJobRequest(name=job.name))
    for call in (
        lambda: api.get(job),
        lambda: list(api.watch(job)),
        lambda: api.jobs.DeleteJob(DeleteJobRequest(name=job.name)),
        lambda: api.cancel(job),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert api.models.GetModel(GetModelRequest(name=job.model)).state == ModelState.MODEL_STATE_READY


def test_an_unfinished_job_is_not_deleted(api: Api) -> None:
    job = api.create(ENDLESS)
    with pytest.raises(grpc.RpcError) as caught:
        api.jobs.DeleteJob(DeleteJobRequest(name=job.name))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    api.cancel(job)
    api.finish(job)


def test_models_are_listed_and_deleted(api: Api) -> None:
    job = api.create(TrainSpec(iterations=0))
    api.finish(job)
    listed = api.models.ListModels(
        ListModelsRequest(filter=ModelFilter(states=[ModelState.MODEL_STATE_READY]), page_size=1)
    )
    assert listed.models[0].name == job.model
    assert listed.next_page_token
    api.models.DeleteModel(DeleteModelRequest(name=job.model))
    for call in (
        lambda: api.models.GetModel(GetModelRequest(name=job.model)),
        lambda: list(api.models.ExportModel(ExportModelRequest(name=job.model))),
        lambda: api.models.DeleteModel(DeleteModelRequest(name=job.model)),
        lambda: api.create(EvaluateSpec(model=job.model)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_datasets(api: Api) -> None:
    (dataset,) = api.datasets.ListDatasets(ListDatasetsRequest()).datasets
    assert dataset == api.datasets.GetDataset(GetDatasetRequest(name="datasets/mnist"))
    assert [split.example_count for split in dataset.splits] == [55_000, 5_000, 10_000]


@pytest.mark.parametrize("collection", ["jobs", "models", "datasets"])
@pytest.mark.parametrize(
    ("name", "code"), [("none", grpc.StatusCode.NOT_FOUND), ("No Name", grpc.StatusCode.INVALID_ARGUMENT)]
)
def test_unknown_and_malformed_names(api: Api, collection: str, name: str, code: grpc.StatusCode) -> None:
    calls: dict[str, tuple[Any, Any]] = {
        "jobs": (api.jobs.GetJob, GetJobRequest),
        "models": (api.models.GetModel, GetModelRequest),
        "datasets": (api.datasets.GetDataset, GetDatasetRequest),
    }
    call, request = calls[collection]
    with pytest.raises(grpc.RpcError) as caught:
        call(request(name=f"{collection}/{name}"))
    assert caught.value.code() == code
    if code == grpc.StatusCode.INVALID_ARGUMENT:
        assert list(violations(caught.value)) == ["name"]


def test_bad_pages_are_refused(api: Api) -> None:
    for request, field in [
        (ListJobsRequest(page_token="a" * 513), "page_token"),
        (ListJobsRequest(page_token="/"), "page_token"),
        (ListJobsRequest(order_by="state"), "order_by"),
        (ListJobsRequest(view=99), "view"),  # type: ignore[arg-type]
        (ListJobsRequest(filter=JobFilter(states=[99])), "filter.states[0]"),  # type: ignore[list-item]
        (ListJobsRequest(filter=JobFilter(kinds=[99])), "filter.kinds[0]"),  # type: ignore[list-item]
    ]:
        with pytest.raises(grpc.RpcError) as caught:
            api.jobs.ListJobs(request)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert list(violations(caught.value)) == [field]
    with pytest.raises(grpc.RpcError) as caught:
        list(api.jobs.WatchJob(WatchJobRequest(name="jobs/x", after_sequence=-1)))
    assert list(violations(caught.value)) == ["after_sequence"]


def test_sizes_of_pages_are_brought_within_the_limits(api: Api) -> None:
    assert len(api.jobs.ListJobs(ListJobsRequest(page_size=-1)).jobs) == 1
    assert api.jobs.ListJobs(ListJobsRequest(page_size=2**31 - 1)).jobs


def test_a_bad_spec_is_refused_and_nothing_is_queued(api: Api) -> None:
    def newest() -> str:
        return str(api.jobs.ListJobs(ListJobsRequest(page_size=1)))

    before = newest()
    with pytest.raises(grpc.RpcError) as caught:
        api.create(TrainSpec(adam=Adam(learning_rate=float("nan")), batch_size=-5))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert set(violations(caught.value)) == {"job.spec.train.adam.learning_rate", "job.spec.train.batch_size"}
    assert "greater than 0 and at most 1" in (caught.value.details() or "")
    for spec in (TrainSpec(dataset="datasets/none"), EvaluateSpec(model="models/none")):
        with pytest.raises(grpc.RpcError) as caught:
            api.create(spec)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        api.jobs.CreateJob(CreateJobRequest())
    assert list(violations(caught.value)) == ["job"]
    assert newest() == before


def test_many_or_long_faults_keep_their_status(api: Api) -> None:
    model = api.finish(api.create(TrainSpec(iterations=0))).model
    wrong = LayerSelection(name="conv1", list=FeatureList(indices=range(1000, 2000)))
    calls: list[Callable[[], object]] = [
        lambda: api.create(VisualizeSpec(model=model, selections=[wrong])),
        lambda: api.create(EvaluateSpec(model="x" * 100_000)),
        lambda: api.jobs.GetJob(GetJobRequest(name="y" * 100_000)),
        lambda: api.create(TrainSpec(dataset="datasets/" + "z" * 100_000)),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert 1 <= len(violations(caught.value)) <= 12


def test_a_repeated_request_is_answered_when_its_model_is_gone(api: Api) -> None:
    training = api.finish(api.create(TrainSpec(iterations=0)))
    spec = EvaluateSpec(model=training.model)
    evaluation = api.finish(api.create(spec, request_id="evaluated once"))
    api.models.DeleteModel(DeleteModelRequest(name=training.model))
    assert api.create(spec, request_id="evaluated once").name == evaluation.name
