"""Outcomes of jobs, in a form that two jobs can be compared by, bit by bit."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence

import h5py

from chaos.calls import Calls
from chaos.short_parts import PART_S
from convscope.client.connection import Connection
from convscope.planning import plan_visualization, targets
from convscope.store import layer_shapes, visualization_request
from convscope.v1.evaluations_pb2 import ListExamplesRequest
from convscope.v1.files_pb2 import ListFilesRequest
from convscope.v1.jobs_pb2 import GetJobRequest, Job, JobEvent, JobState, JobView, ListJobsRequest, WatchJobRequest
from convscope.v1.models_pb2 import ExportModelRequest, GetModelRequest, Layer, ListTrainReportsRequest, Model
from convscope.v1.train_pb2 import TrainProgress
from support.subjects import subject, unnamed

__all__ = ["layers", "list_jobs", "outcome_of", "parts_of", "read_job", "read_log", "weights_digest"]


def read_job(calls: Calls, name: str) -> Job:
    """Return a job with its result."""
    return calls.until_answered(lambda connection: connection.call(connection.jobs.GetJob, GetJobRequest(name=name)))


def read_log(calls: Calls, job: Job) -> list[JobEvent]:
    """Return all events of a job that has ended."""
    request = WatchJobRequest(name=job.name)
    return calls.until_answered(
        lambda connection: list(connection.stream(connection.jobs.WatchJob, request, timeout=30))
    )


def list_jobs(calls: Calls) -> list[Job]:
    """Return all jobs there are."""
    jobs: list[Job] = []
    token = ""
    while True:
        request = ListJobsRequest(view=JobView.JOB_VIEW_FULL, page_size=1000, page_token=token)

        def call(connection: Connection, request: ListJobsRequest = request) -> tuple[Sequence[Job], str]:
            page = connection.call(connection.jobs.ListJobs, request)
            return page.jobs, page.next_page_token

        page, token = calls.until_answered(call)
        jobs += page
        if not token:
            return jobs


def outcome_of(calls: Calls, job: Job, log: list[JobEvent]) -> object:
    """Return a fingerprint of a job's outcome; None if it did not succeed."""
    if job.state != JobState.JOB_STATE_SUCCEEDED:
        return None
    match job.spec.WhichOneof("kind"):
        case "train":
            return _training(calls, job, log)
        case "evaluate":
            return job.result.evaluate.SerializeToString(deterministic=True), _examples(calls, job), _files(calls, job)
    return {subject(event.image_ready.image): _image(event) for event in log if event.HasField("image_ready")}


def _examples(calls: Calls, job: Job) -> bytes:
    request = ListExamplesRequest(parent=job.name, page_size=1000)
    page = calls.until_answered(lambda connection: connection.call(connection.evaluations.ListExamples, request))
    return page.SerializeToString(deterministic=True)


def _files(calls: Calls, job: Job) -> list[tuple[str, bytes]]:
    """Return name and digest of each file."""
    request = ListFilesRequest(parent=job.name)
    page = calls.until_answered(lambda connection: connection.call(connection.files.ListFiles, request))
    return [(file.name.rpartition("/")[2], file.digest.SerializeToString()) for file in page.files]


def _image(event: JobEvent) -> bytes:
    """Return all of an image but its name, which has the job's id."""
    return unnamed(event.image_ready.image).SerializeToString(deterministic=True)


def parts_of(calls: Calls, job: Job, layers_of: Mapping[str, Sequence[Layer]]) -> list[frozenset[tuple[str, int]]]:
    """Return layer and feature of every image of each part of a visualization, planned again; none for other jobs.

    Args:
        calls: the services.
        job: the visualization.
        layers_of: layers of models that may have been deleted since, by name.
    """
    if not job.spec.HasField("visualize"):
        return []
    spec = job.effective_spec.visualize
    layers = layer_shapes(layers_of[spec.model] if spec.model in layers_of else _model(calls, spec.model).layers)
    request = visualization_request(spec)
    all_targets = targets(request, layers)
    return [
        frozenset(
            (all_targets[segment.target].name, feature)
            for segment in part
            for feature in all_targets[segment.target].features[segment.start : segment.start + segment.count]
        )
        for part in plan_visualization(request, layers, PART_S).parts
    ]


def layers(calls: Calls, name: str) -> Sequence[Layer]:
    """Return the layers of a model."""
    return _model(calls, name).layers


def _model(calls: Calls, name: str) -> Model:
    request = GetModelRequest(name=name)
    return calls.until_answered(lambda connection: connection.call(connection.models.GetModel, request))


def _curve(calls: Calls, name: str) -> list[TrainProgress]:
    request = ListTrainReportsRequest(parent=name, page_size=10_000)
    page = calls.until_answered(lambda connection: connection.call(connection.models.ListTrainReports, request))
    return list(page.reports)


def _training(calls: Calls, job: Job, log: list[JobEvent]) -> object:
    request = ExportModelRequest(name=job.model)
    file = calls.until_answered(
        lambda connection: b"".join(
            piece.data for piece in connection.stream(connection.models.ExportModel, request, timeout=30)
        )
    )
    model = _model(calls, job.model)
    reports = [event.train_progress for event in log if event.HasField("train_progress")]
    curve = _curve(calls, job.model)
    consistent = curve[-len(reports) :] == reports and job.result.train.step == model.step
    figures = [(report.step, report.loss, report.batch_accuracy, report.validation_accuracy) for report in curve]
    return weights_digest(file), figures, model.step, consistent


def weights_digest(file: bytes) -> str:
    """Return a digest of every weight and optimizer state in a model's file."""
    digest = hashlib.sha256()

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name} {item.dtype} {item.shape} ".encode())
            digest.update(item[()].tobytes())

    with zipfile.ZipFile(io.BytesIO(file)) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as h5:
        h5.visititems(add)
    return digest.hexdigest()
