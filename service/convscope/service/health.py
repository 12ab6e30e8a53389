"""``python -m convscope.service.health ADDRESS``: exits 0 exactly if the service there is SERVING."""

import os
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from convscope.service.tls import read_certificate

__all__ = ["is_serving", "main"]

TIMEOUT_S = 5.0


def is_serving(address: str, certificate: Path | None = None) -> bool:
    """Ask a server for its health; False as well if it does not answer.

    Raises:
        ValueError: if the certificate, which the server is to show, cannot be used; names the variable and the file.
    """
    options = (("grpc.ssl_target_name_override", "localhost"),) if certificate else ()
    credentials = grpc.ssl_channel_credentials(read_certificate(certificate)) if certificate else None
    channel = (
        grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address, options)
    )
    with channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    """Check the address given as the only argument, by TLS if CONVSCOPE_TLS_CERT names the server's certificate."""
    if len(sys.argv) != 2:
        print("usage: python -m convscope.service.health ADDRESS", file=sys.stderr)  # noqa: T201
        return 2
    certificate = os.environ.get("CONVSCOPE_TLS_CERT")
    try:
        return 0 if is_serving(sys.argv[1], Path(certificate) if certificate else None) else 1
    except ValueError as error:
        print(f"convscope: {error}", file=sys.stderr)  # noqa: T201 - for whoever asked
        return 1


if __name__ == "__main__":
    sys.exit(main())
