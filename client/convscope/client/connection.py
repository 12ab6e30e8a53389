"""A channel to the server, and calls on it that raise this package's errors."""

from __future__ import annotations  # gRPC's callables are generic in its stubs only

from typing import TYPE_CHECKING, TypeVar, cast

import grpc

from convscope.client.channels import call_metadata, channel_credentials, channel_options
from convscope.client.checks import keep_rules
from convscope.client.errors import ServiceError
from convscope.client.statuses import translate
from convscope.v1.datasets_pb2_grpc import DatasetsStub
from convscope.v1.evaluations_pb2_grpc import EvaluationsStub
from convscope.v1.files_pb2_grpc import FilesStub
from convscope.v1.images_pb2_grpc import ImagesStub
from convscope.v1.jobs_pb2_grpc import JobsStub
from convscope.v1.models_pb2_grpc import ModelsStub
from convscope.v1.server_pb2_grpc import ServerStub
from convscope.v1.workers_pb2_grpc import WorkersStub

if TYPE_CHECKING:
    from collections.abc import Generator

    from google.protobuf.message import Message

    from convscope.client.config import Config

__all__ = ["Connection"]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Connection:
    """The stubs of one server's services, and the two ways to call them; ``aio.connection`` is for asyncio."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._channel = _open(config)
        self._closed = False
        self._metadata = call_metadata(config)
        self.jobs = JobsStub(self._channel)
        self.models = ModelsStub(self._channel)
        self.datasets = DatasetsStub(self._channel)
        self.evaluations = EvaluationsStub(self._channel)
        self.files = FilesStub(self._channel)
        self.images = ImagesStub(self._channel)
        self.workers = WorkersStub(self._channel)
        self.server = ServerStub(self._channel)

    def call(self, method: grpc.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        """Return the response to one request, within the configured time.

        Raises:
            InvalidValue: The request breaks a rule of the contract; it is not sent.
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
        """Yield the responses as they come, for at most ``timeout`` seconds; closing the iterator ends the call.

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
        """End the connection and every call on it."""
        self._closed = True
        self._channel.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ServiceError("this client is closed")


def _open(config: Config) -> grpc.Channel:
    credentials, options = channel_credentials(config), channel_options(config)
    if credentials is None:
        return grpc.insecure_channel(config.uri, options)
    return grpc.secure_channel(config.uri, credentials, options)
