"""The contract's stubs on one channel, and the few steps that most tests take."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from convscope.v1 import (
    datasets_pb2_grpc,
    evaluations_pb2_grpc,
    files_pb2_grpc,
    images_pb2_grpc,
    jobs_pb2_grpc,
    models_pb2_grpc,
    server_pb2_grpc,
    workers_pb2_grpc,
)
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    CreateJobRequest,
    GetJobRequest,
    Job,
    JobEvent,
    JobSpec,
    WatchJobRequest,
)
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec

# Nothing in the tests takes longer, in seconds.
PATIENCE_S = 120


def creating(
    spec: JobSpec | TrainSpec | EvaluateSpec | VisualizeSpec, request_id: str = "", **fields: Any
) -> CreateJobRequest:
    """Return the request for a job of whatever kind the spec is, with further fields of the job."""
    job = Job(**fields)
    kind = type(spec).__name__.removesuffix("Spec").lower()
    chosen: Message = job.spec if isinstance(spec, JobSpec) else getattr(job.spec, kind)
    chosen.CopyFrom(spec)
    chosen.SetInParent()  # though it is empty
    return CreateJobRequest(job=job, request_id=request_id)


@dataclass(frozen=True, slots=True)
class Api:
    """The services of one server."""

    channel: grpc.Channel
    jobs: jobs_pb2_grpc.JobsStub
    models: models_pb2_grpc.ModelsStub
    datasets: datasets_pb2_grpc.DatasetsStub
    evaluations: evaluations_pb2_grpc.EvaluationsStub
    files: files_pb2_grpc.FilesStub
    images: images_pb2_grpc.ImagesStub
    workers: workers_pb2_grpc.WorkersStub
    server: server_pb2_grpc.ServerStub

    def create(self, spec: TrainSpec | EvaluateSpec | VisualizeSpec, request_id: str = "", **fields: Any) -> Job:
        """Create a job of whatever kind the spec is, with further fields of it."""
        job = self.jobs.CreateJob(creating(spec, request_id, **fields), timeout=PATIENCE_S)
        assert isinstance(job, Job)
        return job

    def watch(self, job: Job, after: int = 0) -> Iterator[JobEvent]:
        """Follow a job."""
        events: Iterator[JobEvent] = self.jobs.WatchJob(
            WatchJobRequest(name=job.name, after_sequence=after), timeout=PATIENCE_S
        )
        return events

    def finish(self, job: Job) -> Job:
        """Wait for a job's end and return it with its result."""
        for _ in self.watch(job):
            pass
        return self.get(job)

    def cancel(self, job: Job) -> Job:
        """Ask a job to stop, and return it."""
        cancelled = self.jobs.CancelJob(CancelJobRequest(name=job.name), timeout=PATIENCE_S)
        assert isinstance(cancelled, Job)
        return cancelled

    def get(self, job: Job) -> Job:
        """Return how a job stands."""
        current = self.jobs.GetJob(GetJobRequest(name=job.name), timeout=PATIENCE_S)
        assert isinstance(current, Job)
        return current


@contextlib.contextmanager
def connect(address: str) -> Iterator[Api]:
    """Connect to a server within a ``with`` block."""
    with grpc.insecure_channel(address) as channel:  # with its own limit of 4 MiB, as clients in any language have it
        yield Api(
            channel,
            jobs_pb2_grpc.JobsStub(channel),
            models_pb2_grpc.ModelsStub(channel),
            datasets_pb2_grpc.DatasetsStub(channel),
            evaluations_pb2_grpc.EvaluationsStub(channel),
            files_pb2_grpc.FilesStub(channel),
            images_pb2_grpc.ImagesStub(channel),
            workers_pb2_grpc.WorkersStub(channel),
            server_pb2_grpc.ServerStub(channel),
        )


def pages_of(method: Callable[..., Any], request: Any) -> Iterator[Any]:
    """Yield the pages of a listing, of which ``request`` asks for the first."""
    while True:
        page = method(request, timeout=PATIENCE_S)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def refused(call: Callable[[], object]) -> grpc.RpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def violations(error: grpc.RpcError) -> dict[str, str]:
    """Return the fields that a status names, with what it says of each."""
    call: Any = error  # every error of a call is the call as well, which grpcio's types do not say
    status = rpc_status.from_call(call)
    assert status is not None
    details = BadRequest()
    assert status.details[0].Unpack(details)
    return {violation.field: violation.description for violation in details.field_violations}


def wait_for(api: Api, job: Job, kind: str) -> JobEvent:
    """Wait for an event of a kind, and return it."""
    watch = api.watch(job)
    for event in watch:
        if event.WhichOneof("event") == kind:
            return event
    raise AssertionError(f"{job.name} ended without {kind}")
