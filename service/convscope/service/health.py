"""``python -m convscope.service.health ADDRESS``: exits 0 exactly if the convscope service there is SERVING."""

import socket
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.service.tls import read_certificate
from convscope.store import Variables

__all__ = ["is_serving", "main"]

TIMEOUT_S = 5.0

# A service that only convscope has.
OURS = "convscope.v1.Jobs"


def is_serving(address: str, certificate: Path | None = None) -> bool:
    """Return whether a server is convscope and serves; False if it does not answer.

    Args:
        address: ``HOST:PORT`` or ``unix:PATH``.
        certificate: PEM file of the certificate that the server must show; any name in it is accepted.

    Raises:
        ValueError: if the certificate cannot be used; names the variable and the file.
    """
    try:
        channel = _secure(address, certificate) if certificate else grpc.insecure_channel(address, _options())
    except OSError:  # no server listens, it does not speak TLS, or it shows another certificate
        return False
    with channel:
        health = health_pb2_grpc.HealthStub(channel)
        try:
            whole = health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
            health.Check(health_pb2.HealthCheckRequest(service=OURS), timeout=TIMEOUT_S)  # NOT_FOUND elsewhere
        except grpc.RpcError:
            return False
    return bool(whole.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Check the address given as the only argument, by TLS if CONVSCOPE_TLS_CERT names the server's certificate."""
    if len(sys.argv) != 2:
        print("usage: python -m convscope.service.health ADDRESS", file=sys.stderr)  # noqa: T201
        return 2
    try:
        return 0 if is_serving(sys.argv[1], Variables().path("CONVSCOPE_TLS_CERT")) else 1
    except ValueError as error:
        print(f"convscope: {error}", file=sys.stderr)  # noqa: T201 - for the caller
        return 1


def _secure(address: str, certificate: Path) -> grpc.Channel:
    """Open a channel to the server that has this certificate.

    Raises:
        OSError: if the server cannot be reached or shows another one.
        ValueError: if the certificate cannot be used.
    """
    chain = read_certificate(certificate)
    name = _name(_shown(address, chain, certificate))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(chain), _options(name))


def _options(name: str = "") -> list[tuple[str, Any]]:
    # A proxy cannot reach an address of this machine.
    options: list[tuple[str, Any]] = [("grpc.enable_http_proxy", 0)]
    return [*options, ("grpc.ssl_target_name_override", name)] if name else options


def _shown(address: str, chain: bytes, certificate: Path) -> dict[str, Any]:
    """Return the certificate that a server shows, the first of the chain; its name is not checked.

    Raises:
        OSError: if the server cannot be reached or shows another one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate itself is known
    context.load_verify_locations(certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # one that an authority signed is trusted by itself
    context.set_alpn_protocols(["h2"])
    with _connected(address) as plain, context.wrap_socket(plain) as secure:
        expected = ssl.PEM_cert_to_DER_cert(_first(chain.decode("ascii")))
        if secure.getpeercert(binary_form=True) != expected:
            raise ssl.SSLError("the server shows another certificate")
        return dict(secure.getpeercert() or {})


def _connected(address: str) -> socket.socket:
    if address.startswith(("unix:", "unix-abstract:")):
        scheme, _, path = address.partition(":")
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(TIMEOUT_S)
        plain.connect(path if scheme == "unix" else "\0" + path)
        return plain
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise OSError(f"{address} has no port")
    return socket.create_connection((host.removeprefix("[").removesuffix("]"), int(port)), TIMEOUT_S)


def _first(chain: str) -> str:
    """Return the first certificate of a PEM chain, which is the server's own."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = chain.index(begin)
    return chain[start : chain.index(end, start) + len(end)]


def _name(shown: dict[str, Any]) -> str:
    """Return a name that a certificate was issued for, ``""`` if there is none."""
    alternatives = shown.get("subjectAltName", ())
    names = [value for kind, value in alternatives if kind == "DNS"]
    names += [str(ip_address(value.strip())) for kind, value in alternatives if kind == "IP Address"]
    if not names:  # an old certificate has it only in its subject
        names = [value for part in shown.get("subject", ()) for kind, value in part if kind == "commonName"]
    return names[0].replace("*", "health", 1) if names else ""


if __name__ == "__main__":
    sys.exit(main())
