"""A gRPC server whose answers a test writes itself, for what a real convscope cannot be made to say."""

# ruff: noqa: N802  the contract names its methods so

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from convscope.v1 import evaluations_pb2, jobs_pb2, models_pb2
from convscope.v1.evaluations_pb2_grpc import EvaluationsServicer, add_EvaluationsServicer_to_server
from convscope.v1.files_pb2_grpc import FilesServicer, add_FilesServicer_to_server
from convscope.v1.images_pb2_grpc import ImagesServicer, add_ImagesServicer_to_server
from convscope.v1.jobs_pb2_grpc import JobsServicer, add_JobsServicer_to_server
from convscope.v1.models_pb2_grpc import ModelsServicer, add_ModelsServicer_to_server

Handler = Callable[[Any, grpc.ServicerContext], Any]


class FakeService(JobsServicer, ModelsServicer, ImagesServicer, EvaluationsServicer, FilesServicer):
    """Answers each method with the handler of that name; ``requests`` are those received, in order."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.handlers: dict[str, Handler] = {
            "GetJob": lambda *_: job(),
            "GetModel": lambda *_: models_pb2.Model(),
            "ListTrainReports": lambda *_: models_pb2.ListTrainReportsResponse(),
            "ListExamples": lambda *_: evaluations_pb2.ListExamplesResponse(),
        }
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []

    def _answer(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata()})
        return self.handlers[name](request, context)

    def CreateJob(self, request: Any, context: Any) -> Any:
        return self._answer("CreateJob", request, context)

    def GetJob(self, request: Any, context: Any) -> Any:
        return self._answer("GetJob", request, context)

    def ListJobs(self, request: Any, context: Any) -> Any:
        return self._answer("ListJobs", request, context)

    def WatchJob(self, request: Any, context: Any) -> Any:
        return self._answer("WatchJob", request, context)

    def CancelJob(self, request: Any, context: Any) -> Any:
        return self._answer("CancelJob", request, context)

    def DeleteJob(self, request: Any, context: Any) -> Any:
        return self._answer("DeleteJob", request, context)

    def ListModels(self, request: Any, context: Any) -> Any:
        return self._answer("ListModels", request, context)

    def GetModel(self, request: Any, context: Any) -> Any:
        return self._answer("GetModel", request, context)

    def ListTrainReports(self, request: Any, context: Any) -> Any:
        return self._answer("ListTrainReports", request, context)

    def DeleteModel(self, request: Any, context: Any) -> Any:
        return self._answer("DeleteModel", request, context)

    def ExportModel(self, request: Any, context: Any) -> Any:
        return self._answer("ExportModel", request, context)

    def ListExamples(self, request: Any, context: Any) -> Any:
        return self._answer("ListExamples", request, context)

    def ListFiles(self, request: Any, context: Any) -> Any:
        return self._answer("ListFiles", request, context)

    def ReadFile(self, request: Any, context: Any) -> Any:
        return self._answer("ReadFile", request, context)

    def ListImages(self, request: Any, context: Any) -> Any:
        return self._answer("ListImages", request, context)

    def GetImage(self, request: Any, context: Any) -> Any:
        return self._answer("GetImage", request, context)

    def ExportImages(self, request: Any, context: Any) -> Any:
        return self._answer("ExportImages", request, context)


@contextlib.contextmanager
def running_fake(
    address: str | None = None, credentials: grpc.ServerCredentials | None = None, *, threads: int = 8
) -> Iterator[FakeService]:
    """Run a fake, on a unix socket unless an address is given; port 0 takes a free one.

    It answers as many calls at a time as it has threads.
    """
    folder = Path(tempfile.mkdtemp(prefix="cs-"))
    server = grpc.server(ThreadPoolExecutor(threads))
    wanted = address or f"unix:{folder}/fake.sock"
    port = server.add_secure_port(wanted, credentials) if credentials else server.add_insecure_port(wanted)
    fake = FakeService(wanted.replace(":0", f":{port}") if wanted.endswith(":0") else wanted)
    add_JobsServicer_to_server(fake, server)
    add_ModelsServicer_to_server(fake, server)
    add_ImagesServicer_to_server(fake, server)
    add_EvaluationsServicer_to_server(fake, server)
    add_FilesServicer_to_server(fake, server)
    server.start()
    try:
        yield fake
    finally:
        server.stop(None).wait()
        shutil.rmtree(folder)


def job(kind: str = "train", state: str = "RUNNING", **fields: Any) -> jobs_pb2.Job:
    """Return a job of this kind."""
    message = jobs_pb2.Job(
        name="jobs/j",
        kind=jobs_pb2.JobKind.Value(f"JOB_KIND_{kind.upper()}"),
        state=jobs_pb2.JobState.Value(f"JOB_STATE_{state}"),
        sequence=1,
        **fields,
    )
    getattr(message.effective_spec, kind).SetInParent()
    return message


def event(sequence: int, **kind: Any) -> jobs_pb2.JobEvent:
    """Return an event; queued unless told otherwise."""
    return jobs_pb2.JobEvent(sequence=sequence, **(kind or {"queued": jobs_pb2.JobQueued()}))


def finished(sequence: int, state: str = "SUCCEEDED", **fields: Any) -> jobs_pb2.JobEvent:
    """Return the last event of a job."""
    ended = jobs_pb2.JobFinished(state=jobs_pb2.JobState.Value(f"JOB_STATE_{state}"), **fields)
    return jobs_pb2.JobEvent(sequence=sequence, finished=ended)


def endless_watch(ended: list[bool]) -> Callable[[Any, grpc.ServicerContext], Iterator[jobs_pb2.JobEvent]]:
    """Return a handler of ``WatchJob`` that sends events without end; ``ended`` grows when the call ends."""

    def watch(_: Any, context: grpc.ServicerContext) -> Iterator[jobs_pb2.JobEvent]:
        context.add_callback(lambda: ended.append(True))
        sequence = 0
        while context.is_active():
            sequence += 1
            yield event(sequence)

    return watch
