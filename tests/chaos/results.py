"""What jobs found, in a form that two jobs can be compared by, bit by bit."""

import hashlib
import io
import zipfile
from collections.abc import Sequence

import h5py  # type: ignore[import-untyped]

from chaos.calls import Calls
from convscope.client.connection import Connection
from convscope.v1.jobs_pb2 import GetJobRequest, Job, JobEvent, JobState, ListJobsRequest, WatchJobRequest
from convscope.v1.models_pb2 import ExportModelRequest, GetModelRequest

__all__ = ["found_by", "list_jobs", "read_job", "read_log", "weights_digest"]


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
        request = ListJobsRequest(page_size=1000, page_token=token)

        def call(connection: Connection, request: ListJobsRequest = request) -> tuple[Sequence[Job], str]:
            page = connection.call(connection.jobs.ListJobs, request)
            return page.jobs, page.next_page_token

        page, token = calls.until_answered(call)
        jobs += page
        if not token:
            return jobs


def found_by(calls: Calls, job: Job, log: list[JobEvent]) -> object:
    """Return what a job found; None if it did not succeed."""
    if job.state != JobState.JOB_STATE_SUCCEEDED:
        return None
    match job.spec.WhichOneof("kind"):
        case "train":
            return _training(calls, job, log)
        case "evaluate":
            return job.result.evaluate.SerializeToString(deterministic=True)
    images = [event.image_ready.image for event in log if event.HasField("image_ready")]
    return {(image.layer, image.feature): image.SerializeToString(deterministic=True) for image in images}


def _training(calls: Calls, job: Job, log: list[JobEvent]) -> object:
    request = ExportModelRequest(name=job.model)
    file = calls.until_answered(
        lambda connection: b"".join(
            piece.data for piece in connection.stream(connection.models.ExportModel, request, timeout=30)
        )
    )
    model = calls.until_answered(
        lambda connection: connection.call(connection.models.GetModel, GetModelRequest(name=job.model))
    )
    reports = [event.train_progress for event in log if event.HasField("train_progress")]
    consistent = list(model.history)[-len(reports) :] == reports and job.result.train.step == model.step
    figures = [(each.step, each.loss, each.batch_accuracy, each.validation_accuracy) for each in model.history]
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
