"""What protects the server: TLS and token; reflection, health; and a catalogue of what workers have."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from convscope.client import Client, ConvscopeError, channels
from convscope.engine.data import load_dataset
from convscope.service.catalogue import MNIST
from convscope.service.health import is_serving
from convscope.service.server import MAX_MESSAGE_BYTES
from convscope.service.server_info import MAX_REQUEST_BYTES
from convscope.service.settings import ServiceSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.v1 import datasets_pb2_grpc
from convscope.v1.datasets_pb2 import ListDatasetsRequest

TOKEN = "correct token"

NAMES = ("Jobs", "Models", "Datasets", "Images", "Evaluations", "Files", "Workers", "Server")
SERVICES = ("", *(f"convscope.v1.{name}" for name in NAMES))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    directory = tmp_path_factory.mktemp("tls")
    pair = directory / "cert.pem", directory / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    outputs = ["-out", str(pair[0]), "-keyout", str(pair[1])]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *outputs],
        check=True,
        capture_output=True,
    )
    return pair


@pytest.fixture(scope="module")
def address(
    redis_server: EmbeddedRedis, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    environment = {
        "CONVSCOPE_REDIS_URL": redis_server.url,
        "CONVSCOPE_HOME": str(tmp_path_factory.mktemp("home")),
        "CONVSCOPE_TLS_CERT": str(certificate[0]),
        "CONVSCOPE_TLS_KEY": str(certificate[1]),
        "CONVSCOPE_TOKEN": TOKEN,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "convscope.service", "--listen", "localhost:0"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("convscope serves at ").strip()
        process.terminate()


def list_datasets(channel: grpc.Channel) -> int:
    return len(datasets_pb2_grpc.DatasetsStub(channel).ListDatasets(ListDatasetsRequest(), timeout=30).datasets)


def test_the_token_opens_the_door(address: str, certificate: tuple[Path, Path]) -> None:
    tls = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    token = grpc.access_token_call_credentials(TOKEN)
    with grpc.secure_channel(address, grpc.composite_channel_credentials(tls, token)) as channel:
        assert list_datasets(channel) == 1


@pytest.mark.parametrize("token", [None, "wrong", ""])
def test_another_token_does_not(address: str, certificate: tuple[Path, Path], token: str | None) -> None:
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    if token is not None:
        credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(token))
    with grpc.secure_channel(address, credentials) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            list_datasets(channel)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert "CONVSCOPE_TOKEN" in (caught.value.details() or "")


def test_plain_text_does_not(address: str) -> None:
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
        list_datasets(channel)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_health_needs_no_token(address: str, certificate: tuple[Path, Path]) -> None:
    assert is_serving(address, certificate[0])
    assert not is_serving(address)


def test_an_address_without_server_is_not_serving() -> None:
    assert not is_serving("localhost:1")


def test_reflection_names_the_services(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    environment = {**os.environ, "CONVSCOPE_REDIS_URL": redis_server.url, "CONVSCOPE_HOME": str(tmp_path)}
    listen = f"unix:{tmp_path}/s"
    with subprocess.Popen(
        [sys.executable, "-m", "convscope.service", "--listen", listen],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"convscope serves at {listen}\n"
        with grpc.insecure_channel(listen) as channel:
            services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
            health = health_pb2_grpc.HealthStub(channel)
            checks = [health.Check(health_pb2.HealthCheckRequest(service=name), timeout=30).status for name in SERVICES]
        process.terminate()
    assert {*SERVICES[1:], "grpc.health.v1.Health"} <= services
    assert set(checks) == {health_pb2.HealthCheckResponse.SERVING}


@pytest.mark.parametrize(
    ("listen", "local"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("unix:/tmp/x", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("example.org:1", False),
    ],
)
def test_only_local_addresses_are_open(listen: str, local: bool, certificate: tuple[Path, Path]) -> None:
    if local:
        assert ServiceSettings(listen=listen).is_local
    else:
        with pytest.raises(ValueError, match="other machines"):
            ServiceSettings(listen=listen)
        with pytest.raises(ValueError, match="other machines"):
            ServiceSettings(listen=listen, certificate=certificate[0], key=certificate[1])
    protected = {"certificate": certificate[0], "key": certificate[1], "token": TOKEN}
    ServiceSettings(listen=listen, **protected)  # type: ignore[arg-type]
    ServiceSettings(listen=listen, insecure=True)


def test_half_a_tls_configuration_is_refused(certificate: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="must be set together"):
        ServiceSettings.from_environment(environment={"CONVSCOPE_TLS_CERT": str(certificate[0])})
    with pytest.raises(ValueError, match="CONVSCOPE_TLS_CERT is /none"):
        ServiceSettings.from_environment(
            environment={"CONVSCOPE_TLS_CERT": "/none", "CONVSCOPE_TLS_KEY": str(certificate[1])}
        )


def test_the_client_takes_what_the_service_sends() -> None:
    assert channels._MAX_MESSAGE == MAX_MESSAGE_BYTES


def test_the_client_sends_what_the_service_takes() -> None:
    assert channels._MAX_REQUEST == MAX_REQUEST_BYTES


def test_the_catalogue_tells_what_workers_have() -> None:
    dataset = load_dataset(MNIST.name)
    assert tuple(MNIST.image_shape) == dataset.image_shape
    assert tuple(MNIST.classes) == tuple(dataset.classes)
    sizes = [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)]
    assert [split.example_count for split in MNIST.splits] == sizes


def test_errors_name_what_a_client_lacks(address: str, certificate: tuple[Path, Path]) -> None:
    def error_text(address: str, **settings: Any) -> str:
        with Client(address, **settings) as client, pytest.raises(ConvscopeError) as caught:
            list(client.datasets())
        return str(caught.value)

    port = address.rpartition(":")[2]
    assert "https://" in error_text(address)
    assert "no authority" in error_text(f"https://{address}")
    assert "another name" in error_text(f"127.0.0.1:{port}", root_certificates=certificate[0], token=TOKEN)
    assert "CONVSCOPE_TOKEN" in error_text(address, root_certificates=certificate[0])
    assert "wrong" in error_text(address, root_certificates=certificate[0], token="another")
    with Client(f"https://LOCALHOST:{port}/", root_certificates=certificate[0], token=TOKEN) as client:
        assert list(client.datasets())
