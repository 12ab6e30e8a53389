"""How the server's refusals reach the caller."""

import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from convscope.client import AsyncClient, Client, ConvscopeError, errors
from support.fake_service import FakeService, finished, job, running_fake

CODES = [
    (grpc.StatusCode.NOT_FOUND, errors.NotFound),
    (grpc.StatusCode.ALREADY_EXISTS, errors.AlreadyExists),
    (grpc.StatusCode.FAILED_PRECONDITION, errors.FailedPrecondition),
    (grpc.StatusCode.OUT_OF_RANGE, errors.OutOfRange),
    (grpc.StatusCode.DATA_LOSS, errors.DataLoss),
    (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated),
    (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ResourceExhausted),
    (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidArgument),
    (grpc.StatusCode.UNAVAILABLE, errors.Unavailable),
    (grpc.StatusCode.INTERNAL, errors.ServiceError),
    (grpc.StatusCode.UNIMPLEMENTED, errors.ServiceError),
]


@pytest.mark.parametrize(("code", "error"), CODES)
def test_each_status_is_an_error_of_its_own(
    fake: FakeService, client: Client, code: grpc.StatusCode, error: type[Exception]
) -> None:
    def refuse(_: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(code, "what\nhappened")

    fake.handlers["GetJob"] = refuse
    with pytest.raises(ConvscopeError, match="what happened") as caught:
        client.job("j").refresh()
    assert type(caught.value) is error


def test_a_request_that_is_too_large_is_reported_with_its_size(fake: FakeService, client: Client) -> None:
    with pytest.raises(errors.ResourceExhausted, match=r" 5,\d+,\d+ bytes.* 4,194,304"):
        client.visualize("m", [f"{number:0900}" for number in range(6_000)])


@pytest.mark.parametrize(
    ("message", "described", "expected"),
    [
        ("bad spec", "must be positive", "bad spec; learning_rate: must be positive"),
        ("train.learning_rate: 1,  ... 9", "1,  ... 9", "train.learning_rate: 1, ... 9"),
    ],
)
def test_bad_fields_are_named_once(
    *, fake: FakeService, client: Client, message: str, described: str, expected: str
) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="job.spec.train.learning_rate", description=described)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=message, details=[detail])
    fake.handlers["CreateJob"] = lambda _, context: context.abort_with_status(rpc_status.to_status(status))
    with pytest.raises(errors.InvalidArgument) as caught:
        client.train()
    assert caught.value.fields == {"learning_rate": " ".join(described.split())}
    assert str(caught.value) == expected


def test_a_call_that_takes_too_long_ends(fake: FakeService) -> None:
    def stall(_: Any, context: grpc.ServicerContext) -> NoReturn:
        while context.is_active():
            pass
        raise AssertionError

    fake.handlers["GetJob"] = stall
    with Client(fake.address, timeout=0.2) as client, pytest.raises(errors.DeadlineExceeded, match="in time") as caught:
        client.job("j").refresh()
    assert isinstance(caught.value, TimeoutError)


def test_no_server_is_reported_in_one_line() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        with Client(address) as client, pytest.raises(errors.Unavailable) as caught:
            client.train()
    text = str(caught.value)
    assert text.startswith(f"no convscope server at {address}: Connection refused")
    assert text.endswith("start one with `convscope up`")
    assert "\n" not in text


def test_an_unknown_host_is_reported_in_one_line() -> None:
    with Client("no-such-host.invalid:1") as client, pytest.raises(errors.Unavailable) as caught:
        client.job("j").refresh()
    assert str(caught.value).startswith("no convscope server at no-such-host.invalid:1: ")


ANSWERS = [
    "Redis cannot be used right now: Error 111 connecting to unix socket: /tmp/redis.sock. Connection refused.",
    "Redis cannot be used right now: failed to connect to all addresses; DNS resolution failed; handshake failed",
    "cannot read artifacts in s3://bucket/prefix: connection reset by peer",
    "the service is shutting down; watch again",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_server_answers_is_passed_on_as_it_is(fake: FakeService, client: Client, answer: str) -> None:
    fake.handlers["DeleteJob"] = lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, answer)
    with pytest.raises(errors.Unavailable) as caught:
        client.job("j").delete()
    assert str(caught.value) == answer


def test_a_broken_connection_differs_from_one_that_never_was() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_break_a_call, args=(listener,), daemon=True).start()
        with Client(address) as client, pytest.raises(errors.Unavailable) as caught:
            client.job("j").delete()
    assert str(caught.value).startswith(f"the connection to the convscope server at {address} broke: ")


def _break_a_call(listener: socket.socket) -> None:
    """Shake hands as an HTTP/2 server does, wait for a call, and hang up."""
    connection, _ = listener.accept()
    with connection:
        connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))  # an empty SETTINGS frame
        received = b""
        while b"DeleteJob" not in received and (piece := connection.recv(65536)):
            received += piece


def test_no_socket_is_reported_in_one_line(tmp_path: Path) -> None:
    with (
        Client(f"unix:{tmp_path}/none") as client,
        pytest.raises(errors.Unavailable, match="unix:"),
    ):
        client.job("j").refresh()


@pytest.fixture
def once_away(fake: FakeService) -> FakeService:
    """A server that is away for the first call."""

    def answer(_: Any, context: grpc.ServicerContext) -> Any:
        if len(fake.requests) == 1:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Redis is away")
        return job()

    fake.handlers["GetJob"] = answer
    return fake


def test_a_short_absence_is_not_noticed(once_away: FakeService, client: Client) -> None:
    assert client.job("j").refresh().name == "jobs/j"
    assert len(once_away.requests) == 2


async def test_a_short_absence_is_not_noticed_by_asyncio(once_away: FakeService) -> None:
    async with AsyncClient(once_away.address) as client:
        assert (await client.job("j").refresh()).name == "jobs/j"
    assert len(once_away.requests) == 2


def certified(folder: Path, name: str) -> tuple[grpc.ServerCredentials, Path]:
    """Return a server's credentials for a host name, and the file of the certificate."""
    key, certificate = folder / f"{name}-key.pem", folder / f"{name}.pem"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "2"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]), certificate


def test_a_token_is_sent_over_tls(tmp_path: Path) -> None:
    credentials, certificate = certified(tmp_path, "localhost")
    with (
        running_fake("localhost:0", credentials) as fake,
        Client(fake.address, token="secret", root_certificates=certificate) as client,
    ):
        client.job("j").refresh()
        assert fake.metadata[-1]["authorization"] == "Bearer secret"


async def test_asyncio_uses_the_same_certificates(tmp_path: Path) -> None:
    credentials, certificate = certified(tmp_path, "localhost")
    with running_fake("localhost:0", credentials) as fake:
        async with AsyncClient(fake.address, token="secret", root_certificates=certificate) as client:
            await client.job("j").refresh()
        assert fake.metadata[-1]["authorization"] == "Bearer secret"
        async with AsyncClient(f"https://{fake.address}") as client:
            with pytest.raises(errors.Unavailable, match="CONVSCOPE_TLS_CA"):
                await client.job("j").refresh()
    with pytest.raises(errors.InvalidValue, match="root_certificates"):
        AsyncClient("localhost:1", root_certificates=tmp_path / "none.pem")


def test_the_contract_is_sent_with_every_call(fake: FakeService, client: Client) -> None:
    fake.handlers["WatchJob"] = lambda *_: iter([finished(1, "FAILED")])
    client.job("j").refresh()
    list(client.job("j").watch())
    assert [metadata["convscope-contract"] for metadata in fake.metadata] == ["1.0", "1.0"]


def error_text(address: str, **settings: Any) -> str:
    with Client(address, **settings) as client, pytest.raises(errors.Unavailable) as caught:
        client.job("j").refresh()
    return str(caught.value)


def test_what_keeps_two_sides_from_talking_is_named(tmp_path: Path, fake: FakeService) -> None:
    ours, _ = certified(tmp_path, "localhost")
    other, other_file = certified(tmp_path, "example.org")
    with running_fake("localhost:0", ours) as encrypted:
        assert "https://" in error_text(encrypted.address)
        assert "CONVSCOPE_TLS_CA" in error_text(f"https://{encrypted.address}")  # of no authority that is trusted
    with running_fake("localhost:0", other) as encrypted:
        assert "another name" in error_text(encrypted.address, root_certificates=other_file)
    with running_fake("localhost:0") as plain:
        assert "does not use TLS" in error_text(f"https://{plain.address}")


CONFIGURATION = """
[ca]
default_ca = d
[d]
database = {0}/index
new_certs_dir = {0}
serial = {0}/serial
default_md = sha256
policy = p
x509_extensions = v
[p]
commonName = supplied
[v]
subjectAltName = DNS:localhost
"""


@pytest.mark.parametrize(("begin", "end", "what"), [(2020, 2021, "expired"), (2090, 2091, "not valid yet")])
def test_a_certificate_at_another_time_is_named_as_such(tmp_path: Path, begin: int, end: int, what: str) -> None:
    key, request, certificate = (tmp_path / name for name in ("key.pem", "request.pem", "certificate.pem"))
    (tmp_path / "ca").write_text(CONFIGURATION.format(tmp_path))
    (tmp_path / "index").touch()
    (tmp_path / "serial").write_text("01\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    options = ["req", "-new", *curve, "-nodes", "-subj", "/CN=localhost"]
    times = ["-startdate", f"{begin}0101000000Z", "-enddate", f"{end}0101000000Z"]
    signed = [
        "ca",
        "-selfsign",
        "-batch",
        "-notext",
        "-config",
        f"{tmp_path}/ca",
        "-in",
        str(request),
        "-keyfile",
        str(key),
    ]
    subprocess.run(["openssl", *options, "-keyout", key, "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", *signed, *times, "-out", str(certificate)], check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with running_fake("localhost:0", credentials) as fake:
        assert what in error_text(fake.address, root_certificates=certificate)


def test_a_server_that_wants_a_certificate_of_the_client_is_not_called_absent(tmp_path: Path) -> None:
    _, file = certified(tmp_path, "localhost")
    pair = ((tmp_path / "localhost-key.pem").read_bytes(), file.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], root_certificates=pair[1], require_client_auth=True)
    with running_fake("localhost:0", credentials) as fake:
        assert "certificate of the client" in error_text(fake.address, root_certificates=file)


@pytest.mark.parametrize("content", ["", "junk", "-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificate_is_refused_at_once(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(errors.InvalidValue, match=r"root_certificates: .*ca\.pem"):
        Client("localhost:1", root_certificates=tmp_path / "ca.pem")


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_missing_token_differs_from_a_wrong_one(fake: FakeService, token: str | None) -> None:
    fake.handlers["GetJob"] = lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "set CONVSCOPE_TOKEN")
    with Client(fake.address, token=token) as client, pytest.raises(errors.Unauthenticated) as caught:
        client.job("j").refresh()
    assert "CONVSCOPE_TOKEN" in str(caught.value)
    assert ("wrong" in str(caught.value)) is bool(token)


def test_a_web_server_is_recognized() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert "does not speak gRPC" in error_text(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_a_closed_client_says_so(client: Client) -> None:
    client.close()
    with pytest.raises(ConvscopeError, match="closed"):
        client.job("j").refresh()
