"""What happens to every call: token and contract version are checked, errors become statuses."""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from convscope.service.calls import Context
from convscope.service.errors import InvalidRequestError, Violation, abort, shorten
from convscope.service.receiving import Reception
from convscope.service.requests import check_request
from convscope.v1.version import CONTRACT_KEY, MAJOR, VERSION

__all__ = ["ContractInterceptor", "ErrorInterceptor", "StopInterceptor", "TokenInterceptor"]

# In quotes: grpcio's classes are generic only for type checkers.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]"
Parse: TypeAlias = "Callable[[bytes], Any] | None"

# Prefixes of the paths of convscope's methods, and of the health service, which needs no token.
OURS = "/convscope."
HEALTH = "/grpc.health.v1.Health/"

# The service that reports the version of the contract, and is open to clients of any version.
SERVER = "/convscope.v1.Server/"

# Messages received at a time, of at most 4 MiB each, how long one may take while others wait, in seconds, and how many
# may wait. A health check has a few bytes, which arrive with its headers.
CALL_RECEPTION = partial(Reception, places=8, patience_s=5.0, queue=10_000)
HEALTH_RECEPTION = partial(Reception, places=2, patience_s=0.1, queue=200)

# How long no call must have come before the server stops, in seconds, and how long it waits for that at most.
QUIET_S, DRAIN_S = 0.05, 0.5


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Receives requests a few at a time, checks them, and turns exceptions of handlers into statuses."""

    def __init__(self) -> None:
        self._calls, self._health_checks = CALL_RECEPTION(), HEALTH_RECEPTION()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of a call to convscope or the health service; none of their methods streams requests."""
        handler, method = await continuation(handler_call_details), handler_call_details.method or ""
        if handler is None or handler.request_streaming or not method.startswith((OURS, HEALTH)):
            return handler
        reception = self._health_checks if method.startswith(HEALTH) else self._calls
        guard = _Guard(reception, handler.request_deserializer)
        # Declared to gRPC as streams of requests: a single request it would read whole before any of this code runs.
        codec = (None, handler.response_serializer)  # parsed by the guard: gRPC would answer UNKNOWN if parsing fails
        # grpcio's types know only handlers that block; those of a grpc.aio server are coroutines and generators.
        unary: Any = handler.unary_unary
        stream: Any = handler.unary_stream
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(guard.stream(stream), *codec)
        return grpc.stream_unary_rpc_method_handler(guard.unary(unary), *codec)


class StopInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls with UNAVAILABLE once the server is about to stop, but not health checks.

    gRPC itself ends those that it has not yet handed over when it stops as CANCELLED, as if the caller had done so.
    """

    def __init__(self) -> None:
        self._is_stopping = False
        self._refused = asyncio.Event()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Refuse a call if the server is about to stop."""
        if not self._is_stopping or (handler_call_details.method or "").startswith(HEALTH):
            return await continuation(handler_call_details)
        self._refused.set()
        return _refuse(grpc.StatusCode.UNAVAILABLE, "the service is shutting down; try again")

    async def drain(self) -> None:
        """Refuse calls from now on, until none has come for a while."""
        self._is_stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while True:
                    self._refused.clear()
                    await asyncio.wait_for(self._refused.wait(), QUIET_S)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Admits calls that carry ``authorization: Bearer TOKEN``, and health checks, which need none."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Refuse a call without the token, before any of its messages is received."""
        offered = _metadata(handler_call_details, "authorization")
        offered_bytes = offered if isinstance(offered, bytes) else offered.encode()
        is_health = (handler_call_details.method or "").startswith(HEALTH)
        if is_health or hmac.compare_digest(offered_bytes, self._expected):
            return await continuation(handler_call_details)
        return _refuse(grpc.StatusCode.UNAUTHENTICATED, "this server wants a token: set CONVSCOPE_TOKEN")


class ContractInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls of clients that speak another version of the contract, and admits those that name none."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Refuse a call whose metadata names another major version, before any of its messages is received."""
        method, offered = handler_call_details.method or "", _metadata(handler_call_details, CONTRACT_KEY)
        spoken = str(offered).partition(".")[0]
        if not offered or spoken == str(MAJOR) or method.startswith(SERVER) or not method.startswith(OURS):
            return await continuation(handler_call_details)
        mismatch = f"this server speaks version {VERSION} of the contract, and the client {shorten(str(offered))}"
        advice = "install the same version of convscope on both"
        return _refuse(grpc.StatusCode.FAILED_PRECONDITION, f"{mismatch}: {advice}")


def _metadata(details: grpc.HandlerCallDetails, key: str) -> str | bytes:
    """Return the value of a key in a call's metadata, ``""`` if it is missing."""
    return dict(details.invocation_metadata or ()).get(key, "")


def _refuse(code: grpc.StatusCode, text: str) -> Handler:
    """Return a handler that answers any call with a status."""

    async def refused(_requests: AsyncIterator[bytes], context: Context) -> None:
        await context.abort(code, text)

    return grpc.stream_stream_rpc_method_handler(refused)


class _Guard:
    """Wraps handlers of one method.

    Args:
        reception: receives the request.
        parse: parses its bytes; the message is checked by the contract's rules.
    """

    def __init__(self, reception: Reception, parse: Parse) -> None:
        self._reception = reception
        self._parse = parse

    def unary(self, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a handler with one response."""

        async def guarded(_requests: AsyncIterator[bytes], context: Context) -> Any:
            try:
                async with self._request(context) as request:
                    return await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - the one place where they all end
                return await abort(context, error)

        return guarded

    def stream(self, behaviour: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        """Wrap a handler with a stream of responses."""

        async def guarded(_requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            try:
                async with self._request(context) as request:
                    pass  # its place is released at once: a stream may last for days
                async for response in behaviour(request, context):
                    yield response
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - the one place where they all end
                await abort(context, error)

        return guarded

    @contextlib.asynccontextmanager
    async def _request(self, context: Context) -> AsyncIterator[Any]:
        async with self._reception.receive(context.read, _size) as data:
            yield self._parsed(data)

    def _parsed(self, data: Any) -> Any:
        if not isinstance(data, bytes):
            raise InvalidRequestError(Violation("request", "is missing: the call ended without a message"))
        try:
            request: Any = self._parse(data) if self._parse else data
        except DecodeError as error:
            raise InvalidRequestError(Violation("request", f"is not a message of this contract: {error}")) from error
        check_request(request)
        return request


def _size(data: Any) -> int:
    return len(data) if isinstance(data, bytes) else 0
