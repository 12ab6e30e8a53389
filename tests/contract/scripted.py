"""A server of the contract to come that answers as written here: what a program in another language can be tried on."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from contract.conftest import Draft
from convscope.v1.rules import fill_defaults, violations

PNG = b"\x89PNG\r\n\x1a\n"


class RefusedError(Exception):
    """A request that cannot be right."""


class Scripted:
    """A training and a visualization that have happened already."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._jobs: dict[str, Any] = {}

    def GetServerInfo(self, request: Any) -> Any:  # noqa: N802 - named by the contract
        return self._draft.make("ServerInfo", version="1.0", contract={"major": 1})

    def CreateJob(self, request: Any) -> Any:  # noqa: N802
        faults = [f"{fault.field}: {fault.description}" for fault in violations(request)]
        if faults:
            raise RefusedError("; ".join(faults))
        job = request.job
        job.effective_spec.CopyFrom(job.spec)
        fill_defaults(job.effective_spec)
        job.estimate.part_count = 1
        if not request.validate_only:
            job.name, job.state = f"jobs/{request.request_id}", 2
            self._jobs[job.name] = job
        return job

    def GetJob(self, request: Any) -> Any:  # noqa: N802
        job = self._jobs[request.name]
        job.state = 4
        if job.spec.HasField("train"):
            job.model = job.result.train.model = "models/made"
        else:
            job.result.visualize.image_count = 3
        return job

    def WatchJob(self, request: Any) -> Iterator[Any]:  # noqa: N802
        training = self._jobs[request.name].spec.HasField("train")
        progress: dict[str, Any] = {"train_progress": {"step": 1}}
        image: dict[str, Any] = {"image_ready": {"image": self._image(request.name, 0)}}
        last: dict[str, Any] = {"finished": {"state": 4}}
        events = [{"queued": {}}, {"attempt_started": {}}, progress if training else image, last]
        for sequence, event in enumerate(events, 1):
            yield self._draft.make("JobEvent", sequence=sequence, **event)

    def ListTrainReports(self, request: Any) -> Any:  # noqa: N802
        return self._draft.make(
            "ListTrainReportsResponse", reports=[{"step": step, "loss": 2.5 / step} for step in (1, 2, 3)]
        )

    def ListImages(self, request: Any) -> Any:  # noqa: N802
        assert list(request.filter.layers) == ["conv1"]
        return self._draft.make("ListImagesResponse", images=[self._image(request.parent, number) for number in (0, 1)])

    def GetImage(self, request: Any) -> Any:  # noqa: N802
        return self._draft.make("Image", name=request.name, best={"objective": 1.0}, png=PNG)

    def _image(self, job: str, number: int) -> Any:
        pixels = {"element_type": 4, "shape": [28, 28, 1], "data": bytes(4 * 28 * 28)}
        best = {"pixels": pixels, "objective": 1.5}
        feature = {"layer": "conv1", "index": number}
        return self._draft.make("Image", name=f"{job}/images/{number}", feature=feature, best=best)


@contextlib.contextmanager
def scripted_server(draft: Draft) -> Iterator[str]:
    """Serve on a free port of this machine; yields the address."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(list(_services(draft, Scripted(draft))))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def _services(draft: Draft, script: Scripted) -> Iterator[grpc.GenericRpcHandler]:
    for file in draft.own_files:
        for service in file.service:
            described = draft.pool.FindServiceByName(f"{file.package}.{service.name}")
            handlers = {
                method.name: _handler(described.methods_by_name[method.name], getattr(script, method.name))
                for method in service.method
                if hasattr(script, method.name)
            }
            yield grpc.method_handlers_generic_handler(described.full_name, handlers)


def _handler(method: Any, answer: Callable[[Any], Any]) -> Any:
    def refusing(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return answer(request)
        except RefusedError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    parse = GetMessageClass(method.input_type).FromString
    return kind(refusing, request_deserializer=parse, response_serializer=lambda response: response.SerializeToString())
