"""A channel to the server for asyncio, and calls on it that raise this package's errors."""

from __future__ import annotations  # gRPC's callables are generic in its stubs only

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from convscope.client.aio.runtime import compute
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
    from collections.abc import AsyncGenerator, Callable, Iterator

    from google.protobuf.message import Message

    from convscope.client.config import Config
    from convscope.v1.datasets_pb2_grpc import DatasetsAsyncStub
    from convscope.v1.evaluations_pb2_grpc import EvaluationsAsyncStub
    from convscope.v1.files_pb2_grpc import FilesAsyncStub
    from convscope.v1.images_pb2_grpc import ImagesAsyncStub
    from convscope.v1.jobs_pb2_grpc import JobsAsyncStub
    from convscope.v1.models_pb2_grpc import ModelsAsyncStub
    from convscope.v1.server_pb2_grpc import ServerAsyncStub
    from convscope.v1.workers_pb2_grpc import WorkersAsyncStub

__all__ = ["AsyncConnection"]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

# Bytes of a message from which on it is parsed in a thread; to parse so many takes up to a millisecond.
_LARGE = 64 * 2**10


@dataclass(frozen=True, slots=True)
class _Method:
    """A method whose responses are bytes, and what parses them."""

    start: Any
    parse: Callable[[bytes], Any]

    async def parsed(self, data: bytes) -> Any:
        try:
            return self.parse(data) if len(data) < _LARGE else await compute(self.parse, data)
        except DecodeError as error:
            raise ServiceError(f"the server's answer is not a message of this contract: {error}") from error


class _RawChannel:
    """A channel for stubs that leaves responses as bytes: gRPC would parse even the largest in the event loop."""

    def __init__(self, channel: aio.Channel) -> None:
        self._channel = channel

    def unary_unary(self, name: str, request_serializer: Any, response_deserializer: Any, **settings: Any) -> _Method:
        return _Method(self._channel.unary_unary(name, request_serializer, **settings), response_deserializer)

    def unary_stream(self, name: str, request_serializer: Any, response_deserializer: Any, **settings: Any) -> _Method:
        return _Method(self._channel.unary_stream(name, request_serializer, **settings), response_deserializer)


class AsyncConnection:
    """The stubs of one server's services, and the two ways to call them.

    The channel is opened when it is first used, since it belongs to the event loop that runs then.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._credentials = channel_credentials(config)
        self._metadata = call_metadata(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting, self._handling = asyncio.Lock(), asyncio.Lock()
        self._closed = False

    @cached_property
    def _channel(self) -> aio.Channel:
        self._loop = asyncio.get_running_loop()
        options = channel_options(self.config)
        if self._credentials is None:
            return aio.insecure_channel(self.config.uri, options)
        return aio.secure_channel(self.config.uri, self._credentials, options)

    @cached_property
    def _raw(self) -> Any:
        return _RawChannel(self._channel)

    @cached_property
    def jobs(self) -> JobsAsyncStub:
        """The stub of ``Jobs``; the properties below are the stubs of the other services."""
        return JobsStub(self._raw)

    @cached_property
    def models(self) -> ModelsAsyncStub:  # noqa: D102
        return ModelsStub(self._raw)

    @cached_property
    def datasets(self) -> DatasetsAsyncStub:  # noqa: D102
        return DatasetsStub(self._raw)

    @cached_property
    def evaluations(self) -> EvaluationsAsyncStub:  # noqa: D102
        return EvaluationsStub(self._raw)

    @cached_property
    def files(self) -> FilesAsyncStub:  # noqa: D102
        return FilesStub(self._raw)

    @cached_property
    def images(self) -> ImagesAsyncStub:  # noqa: D102
        return ImagesStub(self._raw)

    @cached_property
    def workers(self) -> WorkersAsyncStub:  # noqa: D102
        return WorkersStub(self._raw)

    @cached_property
    def server(self) -> ServerAsyncStub:  # noqa: D102
        return ServerStub(self._raw)

    async def call(self, method: aio.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        """Return the response to one request, within the configured time.

        Raises:
            InvalidValue: The request breaks a rule of the contract; it is not sent.
            ServiceError: The server refused it, or could not be asked.
        """
        self._check_open()
        keep_rules(cast("Message", request))
        await self._pass_loop(self._starting)
        self._check_open()
        raw = cast("_Method", method)
        with self._translated():
            data = await raw.start(request, timeout=self.config.timeout, metadata=self._metadata)
        return cast("_Response", await raw.parsed(data))

    async def stream(
        self,
        method: aio.UnaryStreamMultiCallable[_Request, _Response],
        request: _Request,
        *,
        timeout: float | None = None,
    ) -> AsyncGenerator[_Response]:
        """Yield the responses as they come, for at most ``timeout`` seconds; closing the iterator ends the call.

        Raises:
            InvalidValue: The request breaks a rule of the contract; it is not sent.
            ServiceError: The server refused it, broke off, or could not be asked.
        """
        self._check_open()
        keep_rules(cast("Message", request))
        await self._pass_loop(self._starting)
        self._check_open()
        raw = cast("_Method", method)
        call = raw.start(request, timeout=timeout, metadata=self._metadata)
        try:
            with self._translated():
                async for data in call:
                    response = await raw.parsed(data)
                    await self._pass_loop(self._handling)
                    yield response
        finally:
            call.cancel()

    async def close(self) -> None:
        """End the connection and every call on it."""
        self._closed = True
        if self._loop is not None:
            await self._channel.close()

    async def _pass_loop(self, turn: asyncio.Lock) -> None:
        """Let the event loop pass between two starts of calls, or two messages: each may take a millisecond."""
        async with turn:
            await asyncio.sleep(0)

    def _check_open(self) -> None:
        """Raise an error if the client is closed, or was first used in another event loop."""
        if self._closed:
            raise ServiceError("this client is closed")
        if self._loop not in {None, asyncio.get_running_loop()}:
            raise ServiceError("this client is used in another event loop; make one for each")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise translate(error, self.config) from error
        except asyncio.CancelledError:  # gRPC also raises this in calls on a closed channel
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise ServiceError("this client is closed") from None
            raise
