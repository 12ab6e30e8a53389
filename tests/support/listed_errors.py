"""Requests that provoke each error that the contract's comments list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from convscope.v1.datasets_pb2 import GetDatasetRequest, ListDatasetsRequest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.evaluations_pb2 import ListExamplesRequest
from convscope.v1.feature_pb2 import Feature
from convscope.v1.files_pb2 import ListFilesRequest, ReadFileRequest
from convscope.v1.images_pb2 import ExportImagesRequest, GetImageRequest, ImageFilter, ListImagesRequest
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    JobFilter,
    JobSpec,
    ListJobsRequest,
    WatchJobRequest,
)
from convscope.v1.models_pb2 import (
    DeleteModelRequest,
    ExportModelRequest,
    GetModelRequest,
    ListModelsRequest,
    ListTrainReportsRequest,
    ModelFilter,
)
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.workers_pb2 import ListWorkersRequest, WorkerFilter
from support.api import creating

__all__ = ["ALWAYS", "TABLE", "World"]


@dataclass(frozen=True, slots=True)
class World:
    """What a service knows: ids of jobs, each with the model of the same id."""

    queued: str  # its model is PENDING
    damaged: str  # the job's result and the model's file and history are missing
    failed: str  # its model is FAILED
    unreadable: str  # its records cannot be read
    drawn: str  # a visualization one of whose images is ready, but missing
    undrawn: str  # a visualization without an image
    evaluated: str  # an evaluation whose examples and whose file ``a.npy`` are missing
    unevaluated: str  # an evaluation that waits for its model


Request = Callable[[World], Message]


def evaluating(model: str) -> JobSpec:
    return JobSpec(evaluate=EvaluateSpec(model=f"models/{model}"))


def by_name(kind: type[Message], collection: str) -> dict[str, list[Request]]:
    """Return what all requests have in common that name a job, model or dataset."""
    return {
        "INVALID_ARGUMENT": [lambda _: kind(name="x"), lambda _: kind(), lambda _: kind(name=f"{collection}/X")],
        "NOT_FOUND": [lambda _: kind(name=f"{collection}/none")],
    }


def by_page(kind: type[Message], **bad: Any) -> dict[str, list[Request]]:
    """Return what all listings have in common, and what else is wrong by itself."""
    wrong = [{"page_token": "?"}, {"page_token": "a" * 513}]
    wrong += [{name: value} for name, values in bad.items() for value in values]
    return {"INVALID_ARGUMENT": [lambda _, fields=fields: kind(**fields) for fields in wrong]}  # type: ignore[misc]


def by_job(kind: type[Message], form: str) -> dict[str, list[Request]]:
    """Return what requests for all images of a job have in common; ``form`` is the field of the format."""
    return {
        "INVALID_ARGUMENT": [
            lambda _: kind(parent="x"),
            lambda world: kind(parent=f"jobs/{world.queued}"),
            lambda world: kind(parent=f"jobs/{world.drawn}", **{form: 9}),
        ],
        "NOT_FOUND": [lambda _: kind(parent="jobs/none")],
        "UNAVAILABLE": [lambda _: kind(parent="jobs/none")],
    }


LISTING = by_job(ListImagesRequest, "image_format")

# For each call and status, requests that must be answered with it. UNAVAILABLE is asked of a service without Redis.
TABLE: dict[str, dict[str, list[Request]]] = {
    "Jobs.CreateJob": {
        "INVALID_ARGUMENT": [
            lambda _: CreateJobRequest(),
            lambda _: creating(TrainSpec(batch_size=-1)),
            lambda _: creating(TrainSpec(precision=9)),  # type: ignore[arg-type]
            lambda _: creating(TrainSpec.FromString(b"\xa0\x06\x01")),  # field 100
        ],
        "NOT_FOUND": [
            lambda _: creating(evaluating("none")),
            lambda _: creating(TrainSpec(dataset="datasets/none")),
        ],
        "FAILED_PRECONDITION": [lambda world: creating(evaluating(world.failed))],
        "ALREADY_EXISTS": [
            lambda _: creating(TrainSpec(seed=9), request_id="known"),
            lambda world: creating(TrainSpec(model_id=world.failed)),
        ],
        "UNAVAILABLE": [lambda _: creating(evaluating("none"))],
    },
    "Jobs.GetJob": {
        "INVALID_ARGUMENT": [
            *by_name(GetJobRequest, "jobs")["INVALID_ARGUMENT"],
            lambda world: GetJobRequest(name=f"jobs/{world.queued}", view=9),  # type: ignore[arg-type]
        ],
        "NOT_FOUND": by_name(GetJobRequest, "jobs")["NOT_FOUND"],
        "DATA_LOSS": [lambda world: GetJobRequest(name=f"jobs/{world.damaged}")],
        "UNAVAILABLE": [lambda _: GetJobRequest(name="jobs/none")],
    },
    "Jobs.ListJobs": {
        **by_page(
            ListJobsRequest,
            filter=[JobFilter(states=[9]), JobFilter(kinds=[9])],  # type: ignore[list-item]
            view=[9],
            order_by=["name"],
        ),
        "UNAVAILABLE": [lambda _: ListJobsRequest()],
    },
    "Jobs.WatchJob": {
        **by_name(WatchJobRequest, "jobs"),
        "DATA_LOSS": [lambda world: WatchJobRequest(name=f"jobs/{world.queued}", after_sequence=99)],
        "UNAVAILABLE": [lambda _: WatchJobRequest(name="jobs/none")],
    },
    "Jobs.CancelJob": {
        **by_name(CancelJobRequest, "jobs"),
        "UNAVAILABLE": [lambda _: CancelJobRequest(name="jobs/none")],
    },
    "Jobs.DeleteJob": {
        **by_name(DeleteJobRequest, "jobs"),
        "FAILED_PRECONDITION": [lambda world: DeleteJobRequest(name=f"jobs/{world.queued}")],
        "UNAVAILABLE": [lambda _: DeleteJobRequest(name="jobs/none")],
    },
    "Models.ListModels": {
        **by_page(
            ListModelsRequest,
            filter=[ModelFilter(states=[9]), ModelFilter(datasets=["x"])],  # type: ignore[list-item]
            view=[9],
            order_by=["name"],
        ),
        "UNAVAILABLE": [lambda _: ListModelsRequest()],
    },
    "Models.GetModel": {
        "INVALID_ARGUMENT": [
            *by_name(GetModelRequest, "models")["INVALID_ARGUMENT"],
            lambda world: GetModelRequest(name=f"models/{world.queued}", view=9),  # type: ignore[arg-type]
        ],
        "NOT_FOUND": by_name(GetModelRequest, "models")["NOT_FOUND"],
        "UNAVAILABLE": [lambda _: GetModelRequest(name="models/none")],
    },
    "Models.ListTrainReports": {
        "INVALID_ARGUMENT": [
            lambda _: ListTrainReportsRequest(),
            lambda _: ListTrainReportsRequest(parent="models/X"),
            lambda world: ListTrainReportsRequest(parent=f"models/{world.queued}", page_token="?"),
        ],
        "NOT_FOUND": [lambda _: ListTrainReportsRequest(parent="models/none")],
        "DATA_LOSS": [lambda world: ListTrainReportsRequest(parent=f"models/{world.damaged}")],
        "UNAVAILABLE": [lambda _: ListTrainReportsRequest(parent="models/none")],
    },
    "Models.DeleteModel": {
        **by_name(DeleteModelRequest, "models"),
        "FAILED_PRECONDITION": [lambda world: DeleteModelRequest(name=f"models/{world.queued}")],
        "UNAVAILABLE": [lambda _: DeleteModelRequest(name="models/none")],
    },
    "Models.ExportModel": {
        **by_name(ExportModelRequest, "models"),
        "FAILED_PRECONDITION": [
            lambda world: ExportModelRequest(name=f"models/{world.queued}"),
            lambda world: ExportModelRequest(name=f"models/{world.failed}"),
        ],
        "OUT_OF_RANGE": [lambda world: ExportModelRequest(name=f"models/{world.damaged}", offset=1)],
        "DATA_LOSS": [lambda world: ExportModelRequest(name=f"models/{world.damaged}")],
        "UNAVAILABLE": [lambda _: ExportModelRequest(name="models/none")],
    },
    "Images.ListImages": {
        **LISTING,
        "INVALID_ARGUMENT": [
            *LISTING["INVALID_ARGUMENT"],
            *(
                lambda world, fields=fields: ListImagesRequest(parent=f"jobs/{world.undrawn}", **fields)
                for fields in (
                    {"filter": ImageFilter(layers=["none"])},
                    {"filter": ImageFilter(features=[Feature(layer="conv1", index=99)])},
                    {"filter": ImageFilter(objectives=["none"])},
                    {"page_token": "?"},
                )
            ),
        ],
        "DATA_LOSS": [lambda world: ListImagesRequest(parent=f"jobs/{world.drawn}")],
    },
    "Images.GetImage": {
        "INVALID_ARGUMENT": [
            lambda _: GetImageRequest(),
            lambda world: GetImageRequest(name=f"jobs/{world.drawn}"),
            lambda world: GetImageRequest(name=f"jobs/{world.drawn}/images/00"),
            lambda world: GetImageRequest(name=f"jobs/{world.queued}/images/0"),
            lambda world: GetImageRequest(name=f"jobs/{world.drawn}/images/0", image_format=9),  # type: ignore[arg-type]
        ],
        "NOT_FOUND": [
            lambda _: GetImageRequest(name="jobs/none/images/0"),
            lambda world: GetImageRequest(name=f"jobs/{world.drawn}/images/99"),
            lambda world: GetImageRequest(name=f"jobs/{world.undrawn}/images/0"),
        ],
        "DATA_LOSS": [lambda world: GetImageRequest(name=f"jobs/{world.drawn}/images/0")],
        "UNAVAILABLE": [lambda _: GetImageRequest(name="jobs/none/images/0")],
    },
    "Images.ExportImages": {
        **by_job(ExportImagesRequest, "format"),
        "FAILED_PRECONDITION": [lambda world: ExportImagesRequest(parent=f"jobs/{world.undrawn}")],
        "DATA_LOSS": [lambda world: ExportImagesRequest(parent=f"jobs/{world.drawn}")],
    },
    "Evaluations.ListExamples": {
        **by_job(ListExamplesRequest, "image_format"),
        "INVALID_ARGUMENT": [
            lambda _: ListExamplesRequest(parent="x"),
            lambda world: ListExamplesRequest(parent=f"jobs/{world.drawn}"),
            lambda world: ListExamplesRequest(parent=f"jobs/{world.evaluated}", image_format=9),  # type: ignore[arg-type]
            lambda world: ListExamplesRequest(parent=f"jobs/{world.evaluated}", page_token="?"),
        ],
        "FAILED_PRECONDITION": [lambda world: ListExamplesRequest(parent=f"jobs/{world.unevaluated}")],
        "DATA_LOSS": [lambda world: ListExamplesRequest(parent=f"jobs/{world.evaluated}")],
    },
    "Files.ListFiles": {
        "INVALID_ARGUMENT": [
            lambda _: ListFilesRequest(parent="x"),
            lambda world: ListFilesRequest(parent=f"jobs/{world.evaluated}", page_token="?"),
        ],
        "NOT_FOUND": [lambda _: ListFilesRequest(parent="jobs/none")],
        "UNAVAILABLE": [lambda _: ListFilesRequest(parent="jobs/none")],
    },
    "Files.ReadFile": {
        "INVALID_ARGUMENT": [
            lambda _: ReadFileRequest(),
            lambda world: ReadFileRequest(name=f"jobs/{world.evaluated}/files/a b"),
            lambda world: ReadFileRequest(name=f"jobs/{world.evaluated}/files/a.npy", offset=-1),
        ],
        "NOT_FOUND": [
            lambda _: ReadFileRequest(name="jobs/none/files/a.npy"),
            lambda world: ReadFileRequest(name=f"jobs/{world.evaluated}/files/b.npy"),
        ],
        "OUT_OF_RANGE": [lambda world: ReadFileRequest(name=f"jobs/{world.evaluated}/files/a.npy", offset=10)],
        "DATA_LOSS": [lambda world: ReadFileRequest(name=f"jobs/{world.evaluated}/files/a.npy")],
        "UNAVAILABLE": [lambda _: ReadFileRequest(name="jobs/none/files/a.npy")],
    },
    "Datasets.ListDatasets": by_page(ListDatasetsRequest),
    "Datasets.GetDataset": by_name(GetDatasetRequest, "datasets"),
    "Server.GetServerInfo": {},
    "Workers.ListWorkers": {
        **by_page(
            ListWorkersRequest,
            filter=[WorkerFilter(devices=[9]), WorkerFilter(states=[9])],  # type: ignore[list-item]
        ),
        "UNAVAILABLE": [lambda _: ListWorkersRequest()],
    },
}

# The same for faults of each service, which every call of it can be answered with.
ALWAYS: dict[str, dict[str, list[Request]]] = {
    "Jobs": {"INTERNAL": [lambda world: GetJobRequest(name=f"jobs/{world.unreadable}")]},
    "Models": {"INTERNAL": [lambda world: GetModelRequest(name=f"models/{world.unreadable}")]},
    "Datasets": {},  # they are in its memory
    "Server": {},  # as above
    "Workers": {"INTERNAL": [lambda _: ListWorkersRequest()]},
    "Evaluations": {"INTERNAL": [lambda world: ListExamplesRequest(parent=f"jobs/{world.unreadable}")]},
    "Files": {"INTERNAL": [lambda world: ListFilesRequest(parent=f"jobs/{world.unreadable}")]},
    "Images": {"INTERNAL": [lambda world: ListImagesRequest(parent=f"jobs/{world.unreadable}")]},
}
