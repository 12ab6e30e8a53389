"""Every error that the contract's comments list is provoked, and comments list just those."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis

from convscope.store.blobs import FOLDER
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import KEYS, key
from convscope.v1 import (
    datasets_pb2,
    evaluations_pb2,
    files_pb2,
    images_pb2,
    jobs_pb2,
    models_pb2,
    server_pb2,
    workers_pb2,
)
from convscope.v1.digest_pb2 import Digest
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import (
    GetJobRequest,
)
from convscope.v1.models_pb2 import (
    Model,
)
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.version import CONTRACT_KEY
from convscope.v1.visualize_pb2 import LayerSelection, VisualizeSpec
from support.api import Api, connect, refused, violations
from support.listed_errors import ALWAYS, TABLE, World
from support.service_alone import service_alone

PROTOS = Path(__file__).resolve().parents[2] / "protos" / "convscope" / "v1"

# A call that is not refused would last; in seconds.
TIMEOUT_S = 30

# The name of a blob that was never stored.
MISSING = "0" * 64

# Of a job: a file that is missing.
FILES = f'[["a.npy", "application/x-npy", "{MISSING}", 9]]'

# What every call can be answered with; those of Server answer clients of any contract, and need nothing that may fail.
EVERYWHERE = {"INVALID_ARGUMENT", "UNAUTHENTICATED", "FAILED_PRECONDITION", "UNAVAILABLE", "INTERNAL"}
SERVER = {"INVALID_ARGUMENT", "UNAUTHENTICATED"}


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
    queued, damaged, failed, unreadable = (
        api.create(TrainSpec(), request_id=request).name.removeprefix("jobs/") for request in ("known", *"abc")
    )
    drawing = VisualizeSpec(model=f"models/{queued}")
    drawn, undrawn = (api.create(drawing).name.removeprefix("jobs/") for _ in range(2))
    evaluating = EvaluateSpec(model=f"models/{queued}")
    evaluated, unevaluated = (api.create(evaluating).name.removeprefix("jobs/") for _ in range(2))
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.hset(key("images", drawn), "0", MISSING)
        connection.hset(
            key("job", evaluated), mapping={"state": "succeeded", "examples": f"0:{MISSING}", "files": FILES}
        )
        connection.hset(key("job", damaged), "result", MISSING)
        ready = Model(digest=Digest(sha256=MISSING)).SerializeToString()
        connection.hset(key("model", damaged), mapping={"state": "ready", "model": ready, "history": MISSING})
        connection.hset(key("model", failed), "state", "failed")
        for name in (key("job", unreadable), key("model", unreadable)):
            connection.set(name, "not a hash")
    return World(queued, damaged, failed, unreadable, drawn, undrawn, evaluated, unevaluated)


@pytest.fixture(scope="module")
def without_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("n")
    with service_alone(f"unix://{folder}/none", folder) as (address, _), connect(address) as api:
        yield api


def answer(api: Api, rpc: str, request: bytes, *metadata: tuple[str, str]) -> str:
    """Return the name of the status that a call ends with; any answer is taken as a stream of one."""
    call: Any = api.channel.unary_stream(f"/convscope.v1.{rpc.replace('.', '/')}")
    try:
        list(call(request, timeout=TIMEOUT_S, metadata=metadata))
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
        connection.hset(key("job", world.queued), "result", digest)
    assert answer(api, "Jobs.GetJob", GetJobRequest(name=f"jobs/{world.queued}").SerializeToString()) == "UNAVAILABLE"


@pytest.fixture
def unreadable_workers(redis_server: EmbeddedRedis) -> Iterator[None]:
    """A register of workers that cannot be read, for a while."""
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.set(KEYS["workers"], "not a sorted set")
        yield
        connection.delete(KEYS["workers"])


@pytest.mark.usefixtures("unreadable_workers")
@pytest.mark.parametrize("service", ALWAYS)
def test_an_error_of_every_call(api: Api, world: World, service: str) -> None:
    for code, requests in ALWAYS[service].items():
        for request in requests:
            message = request(world)
            rpc = f"{service}.{type(message).__name__.removesuffix('Request')}"
            assert answer(api, rpc, message.SerializeToString()) == code


@pytest.mark.parametrize("letter", ["a", "ü", "界"])
def test_many_long_faults_fit_in_a_status(api: Api, world: World, letter: str) -> None:
    """The trailers that carry a status are small, and what is too large for them arrives now and then only."""
    selections = [LayerSelection(name=letter * 300)] * 40
    for _ in range(20):
        spec = VisualizeSpec(model=f"models/{world.queued}", selections=selections)
        error: Any = refused(lambda spec=spec: api.create(spec))  # type: ignore[misc]
        faults = violations(error)
        assert "job.spec.visualize.selections[0].name" in faults
        assert f"; and {40 - len(faults)} more" in error.details()


@pytest.mark.parametrize("rpc", TABLE)
def test_bytes_that_are_not_the_message(api: Api, rpc: str) -> None:
    assert answer(api, rpc, b"\xff") == "INVALID_ARGUMENT"


def test_every_call_wants_the_token(tmp_path: Path) -> None:
    service = service_alone(f"unix://{tmp_path}/none", tmp_path, CONVSCOPE_TOKEN="secret")
    with service as (address, _), connect(address) as api:
        assert {answer(api, rpc, b"") for rpc in TABLE} == {"UNAUTHENTICATED"}


@pytest.mark.parametrize("version", ["2.0", "0.9", "11.0", "next"])
def test_another_contract_is_refused_but_where_it_is_reported(without_redis: Api, version: str) -> None:
    answers = {rpc: answer(without_redis, rpc, b"\xff", (CONTRACT_KEY, version)) for rpc in TABLE}
    assert answers.pop("Server.GetServerInfo") == "INVALID_ARGUMENT"
    assert set(answers.values()) == {"FAILED_PRECONDITION"}


@pytest.mark.parametrize("version", ["1.0", "1.7", "1"])
def test_the_same_contract_is_taken(without_redis: Api, version: str) -> None:
    assert {answer(without_redis, rpc, b"\xff", (CONTRACT_KEY, version)) for rpc in TABLE} == {"INVALID_ARGUMENT"}


def test_a_call_to_a_service_that_shuts_down(tmp_path: Path) -> None:
    with service_alone(f"unix://{tmp_path}/none", tmp_path) as (address, process), connect(address) as api:
        assert answer(api, "Datasets.ListDatasets", b"") == "OK"
        process.terminate()
        answers = iter(lambda: answer(api, "Datasets.ListDatasets", b""), "")
        # One that is on its way at that very moment is broken off by gRPC, which says so in its own words.
        assert next(code for code in answers if code not in {"OK", "CANCELLED"}) == "UNAVAILABLE"


def test_comments_list_what_was_provoked() -> None:
    assert {rpc: set(codes) for rpc, codes in TABLE.items()} == listed(r"rpc", "Errors:")
    everywhere = {service: SERVER if service == "Server" else EVERYWHERE for service in ALWAYS}
    assert everywhere == listed(r"service", "Errors of every call:")


def test_no_call_is_left_out() -> None:
    modules = (datasets_pb2, evaluations_pb2, files_pb2, images_pb2, jobs_pb2, models_pb2, server_pb2, workers_pb2)
    files = [module.DESCRIPTOR for module in modules]
    services = [service for file in files for service in file.services_by_name.values()]
    assert {f"{service.name}.{method.name}" for service in services for method in service.methods} == set(TABLE)


def listed(keyword: str, heading: str) -> dict[str, set[str]]:
    """Return the statuses that comments name after a heading, for each service or call."""
    statuses = {}
    for file in PROTOS.glob("*.proto"):
        text = file.read_text(encoding="utf-8")
        services = re.findall(r"^service (\w+)", text, re.MULTILINE)
        for comment, name in re.findall(rf"((?:^ *//.*\n)+) *{keyword} (\w+)", text, re.MULTILINE):
            owner = f"{services[0]}.{name}" if keyword == "rpc" else name
            words = set(re.findall(r"[A-Z_]+", comment.partition(heading)[2]))
            statuses[owner] = words & {code.name for code in grpc.StatusCode}
    return statuses
