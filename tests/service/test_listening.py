"""What the service announces leads to it, whatever else listens there and whatever its certificate is called."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from convscope.service.health import is_serving
from convscope.service.listening import ListenError, listen
from convscope.store.embedded import EmbeddedRedis

WILDCARD = "0.0.0.0"


@contextlib.contextmanager
def serving(server: EmbeddedRedis, home: Path, address: str, **environment: str) -> Iterator[Callable[[], str]]:
    """Run a service; yield a function that waits for its announcement, so that services start side by side."""
    variables = {"CONVSCOPE_REDIS_URL": server.url, "CONVSCOPE_HOME": str(home), "CONVSCOPE_INSECURE": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "convscope.service", "--listen", address],
        env={**os.environ, **variables, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        output = process.stdout
        try:
            yield lambda: output.readline().removeprefix("convscope serves at ").strip()
        finally:
            process.terminate()


@contextlib.contextmanager
def taken(host: str) -> Iterator[int]:
    """Run another server on some port of an address; it even shares its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as other:
        if family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((host, 0))
        other.listen()
        yield other.getsockname()[1]


def test_what_is_announced_leads_to_the_service(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    announced = {
        "localhost:0": "localhost:",
        "[::1]:0": "[::1]:",
        f"{WILDCARD}:0": "127.0.0.1:",
        "[::]:0": "[::1]:",
        f"unix:{tmp_path}/s": f"unix:{tmp_path}/s",
    }
    with contextlib.ExitStack() as stack:
        started = {listen: stack.enter_context(serving(redis_server, tmp_path, listen)) for listen in announced}
        for listen, announcement in started.items():
            address = announcement()
            assert address.startswith(announced[listen])
            assert not address.endswith(":0")
            assert is_serving(address)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("localhost", "127.0.0.1"),
        ("localhost", "::1"),
        (WILDCARD, "127.0.0.1"),
        (WILDCARD, "::1"),
        (WILDCARD, "::"),
        ("[::]", WILDCARD),
        ("[::1]", "::"),
        ("127.0.0.1", WILDCARD),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_port_that_another_server_has_a_part_of_is_refused(ours: str, theirs: str) -> None:
    added: list[str] = []
    with taken(theirs) as port, pytest.raises(ListenError, match=f":{port}"):
        listen(f"{ours}:{port}", lambda address: added.append(address) or port)  # type: ignore[func-returns-value]
    assert added == []


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:", "localhost:x", "localhost:65536", "no.such.host.invalid:1"]
)
def test_invalid_addresses_are_refused(address: str) -> None:
    with pytest.raises(ListenError, match=address):
        listen(address, lambda _: 1)


def test_a_unix_socket_of_a_server_that_lives_is_not_taken_over(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with serving(redis_server, tmp_path, address) as announcement:
        assert announcement() == address
        with pytest.raises(ListenError, match="another server"):
            listen(address, lambda _: 1)
        assert is_serving(address)
    (tmp_path / "s").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    assert listen(address, lambda _: 1).address == address


def test_another_server_is_not_ours() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    assert not is_serving(f"127.0.0.1:{port}")
    server.stop(0).wait()


def signed(folder: Path, subject: str, *names: str) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key."""
    folder.mkdir()
    pair = folder / "cert.pem", folder / "key.pem"
    more = ["-addext", f"subjectAltName={','.join(names)}"] if names else []
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject, *more]
    subprocess.run([*command, "-out", str(pair[0]), "-keyout", str(pair[1])], check=True, capture_output=True)
    return pair


def test_health_of_a_certificate_of_any_name(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    names = ["DNS:convscope.example.org", "DNS:*.example.org", "IP:192.0.2.7", "IP:2001:db8::7"]
    pairs = [signed(tmp_path / str(number), "/CN=x", name) for number, name in enumerate(names)]
    pairs += [signed(tmp_path / "subject", "/CN=other.example.org"), signed_by_authority(tmp_path)]
    with contextlib.ExitStack() as stack:
        started = []
        for certificate, key in pairs:
            files = {"CONVSCOPE_TLS_CERT": str(certificate), "CONVSCOPE_TLS_KEY": str(key)}
            started.append(stack.enter_context(serving(redis_server, tmp_path, "localhost:0", **files)))
        for (certificate, _), (other, _), announcement in zip(pairs, pairs[1:] + pairs[:1], started, strict=True):
            address = announcement()
            assert is_serving(address, certificate)
            assert not is_serving(address, other)
            assert not is_serving(address)


def signed_by_authority(folder: Path) -> tuple[Path, Path]:
    """Return a certificate without that of the authority which signed it, and its key."""
    authority, secret = signed(folder / "authority", "/CN=Some authority")
    key, request, certificate = (folder / name for name in ("key.pem", "request.pem", "cert.pem"))
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:x.test"]
    subprocess.run([*new, "-keyout", str(key), "-out", str(request)], check=True, capture_output=True)
    sign = ["openssl", "x509", "-req", "-in", str(request), "-CA", str(authority), "-CAkey", str(secret), "-days", "2"]
    subprocess.run([*sign, "-copy_extensions", "copy", "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key
