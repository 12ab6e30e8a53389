"""Every error that the contract's comments list is provoked, and comments list just those."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from google.protobuf.message import Message

from api import Api, connect
from convscope.store import keys
from convscope.store.blobs import FOLDER
from convscope.store.embedded import EmbeddedRedis
from convscope.v1 import datasets_pb2, jobs_pb2, models_pb2, visualizations_pb2
from convscope.v1.datasets_pb2 import GetDatasetRequest, ListDatasetsRequest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import (
    CancelJobRequest,
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    JobSpec,
    ListJobsRequest,
    WatchJobRequest,
)
from convscope.v1.models_pb2 import (
    DeleteModelRequest,
    ExportModelRequest,
    GetModelRequest,
    ListModelsRequest,
    Model,
)
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualizations_pb2 import (
    ExportVisualizationsRequest,
    GetVisualizationRequest,
    ListVisualizationsRequest,
)
from convscope.v1.visualize_pb2 import VisualizeSpec
from service_alone import service_alone

PROTOS = Path(__file__).resolve().parents[2] / "protos" / "convscope" / "v1"

# A call that is not refused would last; in seconds.
TIMEOUT_S = 30

# The name of a blob that nobody stored.
MISSING = "0" * 64


@dataclass(frozen=True, slots=True)
class World:
    """What a service knows: ids of jobs, each with the model of the same id."""

    queued: str  # its model is PENDING
    trimmed: str  # its first events are gone
    damaged: str  # the job's result and the model's file and history are missing
    failed: str  # its model is FAILED
    odd: str  # its records are none
    drawn: str  # a visualization one of whose images is ready, but missing
    undrawn: str  # a visualization without an image


Request = Callable[[World], Message]


def evaluating(model: str) -> JobSpec:
    return JobSpec(evaluate=EvaluateSpec(model=f"models/{model}"))


def by_name(kind: type[Message], collection: str) -> dict[str, list[Request]]:
    """What all requests have in common that name a job, model or dataset."""
    return {
        "INVALID_ARGUMENT": [lambda _: kind(name="x"), lambda _: kind(), lambda _: kind(name=f"{collection}/X")],
        "NOT_FOUND": [lambda _: kind(name=f"{collection}/none")],
    }


def by_page(kind: type[Message], *filters: str) -> dict[str, list[Request]]:
    """What all listings have in common."""
    bad = [{"page_size": -1}, {"page_size": 1001}, {"page_token": "?"}, *({name: [9]} for name in filters)]
    return {"INVALID_ARGUMENT": [lambda _, fields=fields: kind(**fields) for fields in bad]}  # type: ignore[misc]


def by_job(kind: type[Message]) -> dict[str, list[Request]]:
    """What all requests for the images of a job have in common."""
    return {
        "INVALID_ARGUMENT": [
            lambda _: kind(job="x"),
            lambda world: kind(job=f"jobs/{world.queued}"),
            lambda world: kind(job=f"jobs/{world.drawn}", format=9),
        ],
        "NOT_FOUND": [lambda _: kind(job="jobs/none")],
        "UNAVAILABLE": [lambda _: kind(job="jobs/none")],
    }


# For each call and status, requests that must be answered with it. UNAVAILABLE is asked of a service without Redis.
TABLE: dict[str, dict[str, list[Request]]] = {
    "Jobs.CreateJob": {
        "INVALID_ARGUMENT": [
            lambda _: CreateJobRequest(),
            lambda _: CreateJobRequest(spec=JobSpec(train=TrainSpec(batch_size=-1))),
            lambda _: CreateJobRequest(spec=JobSpec(train=TrainSpec(precision=9))),  # type: ignore[arg-type]
            lambda _: CreateJobRequest(spec=JobSpec(train=TrainSpec.FromString(b"\xa0\x06\x01"))),  # field 100
        ],
        "NOT_FOUND": [
            lambda _: CreateJobRequest(spec=evaluating("none")),
            lambda _: CreateJobRequest(spec=JobSpec(train=TrainSpec(dataset="datasets/none"))),
        ],
        "FAILED_PRECONDITION": [lambda world: CreateJobRequest(spec=evaluating(world.failed))],
        "ALREADY_EXISTS": [lambda _: CreateJobRequest(spec=JobSpec(train=TrainSpec(seed=9)), request_id="known")],
        "UNAVAILABLE": [lambda _: CreateJobRequest(spec=evaluating("none"))],
    },
    "Jobs.GetJob": {
        **by_name(GetJobRequest, "jobs"),
        "DATA_LOSS": [lambda world: GetJobRequest(name=f"jobs/{world.damaged}")],
        "UNAVAILABLE": [lambda _: GetJobRequest(name="jobs/none")],
    },
    "Jobs.ListJobs": {
        **by_page(ListJobsRequest, "states", "kinds"),
        "UNAVAILABLE": [lambda _: ListJobsRequest()],
    },
    "Jobs.WatchJob": {
        **by_name(WatchJobRequest, "jobs"),
        "OUT_OF_RANGE": [lambda world: WatchJobRequest(name=f"jobs/{world.trimmed}")],
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
        **by_page(ListModelsRequest, "states"),
        "UNAVAILABLE": [lambda _: ListModelsRequest()],
    },
    "Models.GetModel": {
        **by_name(GetModelRequest, "models"),
        "DATA_LOSS": [lambda world: GetModelRequest(name=f"models/{world.damaged}")],
        "UNAVAILABLE": [lambda _: GetModelRequest(name="models/none")],
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
        "DATA_LOSS": [lambda world: ExportModelRequest(name=f"models/{world.damaged}")],
        "UNAVAILABLE": [lambda _: ExportModelRequest(name="models/none")],
    },
    "Visualizations.ListVisualizations": {
        **by_job(ListVisualizationsRequest),
        "INVALID_ARGUMENT": [
            *by_job(ListVisualizationsRequest)["INVALID_ARGUMENT"],
            *(
                lambda world, fields=fields: ListVisualizationsRequest(job=f"jobs/{world.undrawn}", **fields)
                for fields in ({"layer": "none"}, {"page_size": -1}, {"page_token": "?"})
            ),
        ],
        "DATA_LOSS": [lambda world: ListVisualizationsRequest(job=f"jobs/{world.drawn}")],
    },
    "Visualizations.GetVisualization": {
        **by_job(GetVisualizationRequest),
        "NOT_FOUND": [
            lambda _: GetVisualizationRequest(job="jobs/none", layer="conv1"),
            lambda world: GetVisualizationRequest(job=f"jobs/{world.drawn}", layer="none"),
            lambda world: GetVisualizationRequest(job=f"jobs/{world.undrawn}", layer="conv1"),
        ],
        "DATA_LOSS": [lambda world: GetVisualizationRequest(job=f"jobs/{world.drawn}", layer="conv1")],
    },
    "Visualizations.ExportVisualizations": {
        **by_job(ExportVisualizationsRequest),
        "FAILED_PRECONDITION": [lambda world: ExportVisualizationsRequest(job=f"jobs/{world.undrawn}")],
        "DATA_LOSS": [lambda world: ExportVisualizationsRequest(job=f"jobs/{world.drawn}")],
    },
    "Datasets.ListDatasets": by_page(ListDatasetsRequest),
    "Datasets.GetDataset": by_name(GetDatasetRequest, "datasets"),
}

# The same for what every call of a service can be answered with.
ALWAYS: dict[str, dict[str, list[Request]]] = {
    "Jobs": {"INTERNAL": [lambda world: GetJobRequest(name=f"jobs/{world.odd}")]},
    "Models": {"INTERNAL": [lambda world: GetModelRequest(name=f"models/{world.odd}")]},
    "Datasets": {},
    "Visualizations": {"INTERNAL": [lambda world: ListVisualizationsRequest(job=f"jobs/{world.odd}")]},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def api(redis_server: EmbeddedRedis, home: Path) -> Iterator[Api]:
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.flushall()
    with service_alone(redis_server.url, home) as (address, _), connect(address) as api:
        yield api


@pytest.fixture(scope="module")
def world(redis_server: EmbeddedRedis, api: Api) -> World:
    queued, trimmed, damaged, failed, odd = (
        api.create(TrainSpec(), request_id=request).name.removeprefix("jobs/") for request in ("known", *"abcd")
    )
    drawing = VisualizeSpec(model=f"models/{queued}")
    drawn, undrawn = (api.create(drawing).name.removeprefix("jobs/") for _ in range(2))
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.hset(keys.images_key(drawn), "0", MISSING)
        api.jobs.CancelJob(CancelJobRequest(name=f"jobs/{trimmed}"), timeout=TIMEOUT_S)
        connection.xtrim(keys.events_key(trimmed), maxlen=1, approximate=False)
        connection.hset(keys.job_key(damaged), "result", MISSING)
        ready = Model(sha256=MISSING).SerializeToString()
        connection.hset(keys.model_key(damaged), mapping={"state": "ready", "model": ready, "history": MISSING})
        connection.hset(keys.model_key(failed), "state", "failed")
        for key in (keys.job_key(odd), keys.model_key(odd)):
            connection.set(key, "not a hash")
    return World(queued, trimmed, damaged, failed, odd, drawn, undrawn)


@pytest.fixture(scope="module")
def without_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("n")
    with service_alone(f"unix://{folder}/none", folder) as (address, _), connect(address) as api:
        yield api


def answer(api: Api, rpc: str, request: bytes) -> str:
    """The name of the status that a call ends with. A stream of one answer is what any answer looks like."""
    call: Any = api.channel.unary_stream(f"/convscope.v1.{rpc.replace('.', '/')}")
    try:
        list(call(request, timeout=TIMEOUT_S))
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


@pytest.mark.parametrize(("rpc", "code"), [(rpc, code) for rpc, codes in TABLE.items() for code in codes])
def test_a_listed_error(api: Api, world: World, without_redis: Api, rpc: str, code: str) -> None:
    server = without_redis if code == "UNAVAILABLE" else api
    for make in TABLE[rpc][code]:
        request = make(world)
        assert answer(server, rpc, request.SerializeToString()) == code, request


def test_an_artifact_store_that_cannot_be_read(api: Api, world: World, home: Path, redis_server: EmbeddedRedis) -> None:
    digest = "1" * 64
    file = home / "artifacts" / FOLDER / digest[:2] / digest
    file.parent.mkdir(parents=True)
    file.symlink_to(file)  # not even root can open what points to itself
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.hset(keys.job_key(world.queued), "result", digest)
    assert answer(api, "Jobs.GetJob", GetJobRequest(name=f"jobs/{world.queued}").SerializeToString()) == "UNAVAILABLE"


@pytest.mark.parametrize("service", ALWAYS)
def test_an_error_of_every_call(api: Api, world: World, service: str) -> None:
    for code, requests in ALWAYS[service].items():
        for request in requests:
            message = request(world)
            rpc = f"{service}.{type(message).__name__.removesuffix('Request')}"
            assert answer(api, rpc, message.SerializeToString()) == code


@pytest.mark.parametrize("rpc", TABLE)
def test_bytes_that_are_not_the_message(api: Api, rpc: str) -> None:
    assert answer(api, rpc, b"\xff") == "INVALID_ARGUMENT"


def test_every_call_wants_the_token(tmp_path: Path) -> None:
    service = service_alone(f"unix://{tmp_path}/none", tmp_path, CONVSCOPE_TOKEN="secret")
    with service as (address, _), connect(address) as api:
        assert {answer(api, rpc, b"") for rpc in TABLE} == {"UNAUTHENTICATED"}


def test_comments_list_what_was_provoked() -> None:
    assert {rpc: set(codes) for rpc, codes in TABLE.items()} == listed(r"rpc", "Errors:")
    everywhere = {service: {"INVALID_ARGUMENT", "UNAUTHENTICATED", *codes} for service, codes in ALWAYS.items()}
    assert everywhere == listed(r"service", "Errors of every call:")


def test_no_call_is_left_out() -> None:
    files = (datasets_pb2.DESCRIPTOR, jobs_pb2.DESCRIPTOR, models_pb2.DESCRIPTOR, visualizations_pb2.DESCRIPTOR)
    services = [service for file in files for service in file.services_by_name.values()]
    assert {f"{service.name}.{method.name}" for service in services for method in service.methods} == set(TABLE)


def listed(keyword: str, heading: str) -> dict[str, set[str]]:
    """The statuses that comments name after a heading, for each service or call."""
    found = {}
    for file in PROTOS.glob("*.proto"):
        text = file.read_text(encoding="utf-8")
        services = re.findall(r"^service (\w+)", text, re.MULTILINE)
        for comment, name in re.findall(rf"((?:^ *//.*\n)+) *{keyword} (\w+)", text, re.MULTILINE):
            owner = f"{services[0]}.{name}" if keyword == "rpc" else name
            words = set(re.findall(r"[A-Z_]+", comment.partition(heading)[2]))
            found[owner] = words & {code.name for code in grpc.StatusCode}
    return found
