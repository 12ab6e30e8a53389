"""A channel to the server, and calls on it that raise this package's errors."""

from __future__ import annotations  # gRPC's callables are generic in its stubs only

import json
from typing import TYPE_CHECKING, TypeVar, cast

import grpc

from convscope.client.checks import keep_rules
from convscope.client.errors import InvalidValue, ServiceError
from convscope.client.statuses import translate
from convscope.v1.datasets_pb2_grpc import DatasetsStub
from convscope.v1.evaluations_pb2_grpc import EvaluationsStub
from convscope.v1.files_pb2_grpc import FilesStub
from convscope.v1.images_pb2_grpc import ImagesStub
from convscope.v1.jobs_pb2_grpc import JobsStub
from convscope.v1.models_pb2_grpc import ModelsStub
from convscope.v1.server_pb2_grpc import ServerStub
from convscope.v1.version import CONTRACT_KEY, VERSION
from convscope.v1.workers_pb2_grpc import WorkersStub

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from google.protobuf.message import Message

    from convscope.client.config import Config

__all__ = ["Connection"]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

# Bytes of one message: as many as the service sends, where it holds one large image, and as many as it takes.
_MAX_MESSAGE = 128 * 2**20
_MAX_REQUEST = 4 * 2**20
# Milliseconds of silence after which the connection is probed, and in which the probe must be answered.
_KEEPALIVE_TIME, _KEEPALIVE_TIMEOUT = 30_000, 15_000
# Milliseconds between attempts to connect anew; gRPC's own limit of two minutes would outlast a watch's patience.
_RECONNECT_FIRST, _RECONNECT_MAX = 200, 2_000
# Calls that may be sent twice without harm; CreateJob always carries a request id.
_REPEATABLE = {
    "Jobs": ("CreateJob", "GetJob", "ListJobs", "CancelJob"),
    "Models": ("ListModels", "GetModel", "ListTrainReports"),
    "Datasets": ("ListDatasets", "GetDataset"),
    "Evaluations": ("ListExamples",),
    "Files": ("ListFiles",),
    "Images": ("ListImages", "GetImage"),
    "Workers": ("ListWorkers",),
    "Server": ("GetServerInfo",),
}
_RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


class Connection:
    """The stubs of one server's services, and the two ways to call them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._channel = _open(config)
        self._closed = False
        token = (("authorization", f"Bearer {config.token}"),) if config.token else ()
        self._metadata = ((CONTRACT_KEY, VERSION), *token)
        self.jobs = JobsStub(self._channel)
        self.models = ModelsStub(self._channel)
        self.datasets = DatasetsStub(self._channel)
        self.evaluations = EvaluationsStub(self._channel)
        self.files = FilesStub(self._channel)
        self.images = ImagesStub(self._channel)
        self.workers = WorkersStub(self._channel)
        self.server = ServerStub(self._channel)

    def call(self, method: grpc.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        """The response to one request, within the configured time.

        Raises:
            InvalidValue: It breaks a rule of the contract; it is not sent.
            ServiceError: The server refused it, or could not be asked.
        """
        self._check_open()
        keep_rules(cast("Message", request))
        try:
            return method(request, timeout=self.config.timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise translate(error, self.config) from error

    def stream(
        self,
        method: grpc.UnaryStreamMultiCallable[_Request, _Response],
        request: _Request,
        *,
        timeout: float | None = None,
    ) -> Generator[_Response]:
        """The responses as they come, for at most `timeout` seconds; closing the iterator ends the call.

        Raises:
            InvalidValue: The request breaks a rule of the contract; it is not sent.
            ServiceError: The server refused it, broke off, or could not be asked.
        """
        self._check_open()
        keep_rules(cast("Message", request))
        call = method(request, timeout=timeout, metadata=self._metadata)
        try:
            yield from call
        except grpc.RpcError as error:
            raise translate(error, self.config) from error
        finally:
            call.cancel()

    def close(self) -> None:
        """Ends the connection and every call on it."""
        self._closed = True
        self._channel.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ServiceError("this client is closed")


def _open(config: Config) -> grpc.Channel:
    if not config.encrypted:
        return grpc.insecure_channel(config.uri, _options(config))
    certificates = _read_certificates(config.root_certificates) if config.root_certificates else None
    return grpc.secure_channel(config.uri, grpc.ssl_channel_credentials(certificates), _options(config))


def _read_certificates(file: Path) -> bytes:
    import ssl  # noqa: PLC0415  only those who use TLS wait for it

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
        return file.read_bytes()
    except ssl.SSLError:
        raise InvalidValue(f"root_certificates: {file} (CONVSCOPE_TLS_CA) has no certificate in PEM format") from None
    except OSError as error:
        raise InvalidValue(f"root_certificates: {file}: {error.strerror}") from error


def _options(config: Config) -> list[tuple[str, int | str]]:
    return [
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        ("grpc.max_send_message_length", _MAX_REQUEST),
        ("grpc.keepalive_time_ms", _KEEPALIVE_TIME),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_FIRST),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX),
        ("grpc.enable_http_proxy", int(not config.is_local)),
        ("grpc.service_config", _service_config()),
    ]


def _service_config() -> str:
    names = [
        {"service": f"convscope.v1.{service}", "method": method}
        for service, methods in _REPEATABLE.items()
        for method in methods
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY}]})
