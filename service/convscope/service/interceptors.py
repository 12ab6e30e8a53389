"""What happens to every call: a token is checked, faults become statuses."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from convscope.service.errors import InvalidRequestError, Violation, abort

__all__ = ["ErrorInterceptor", "TokenInterceptor"]

# In quotes: grpcio's classes are generic only for type checkers.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Parse: TypeAlias = "Callable[[bytes], Any] | None"

# How the paths of our own methods begin; health and reflection look after themselves.
OURS = "/convscope."


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns exceptions of handlers into statuses."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of a call to one of our services, none of which takes a stream of requests."""
        handler = await continuation(handler_call_details)
        if handler is None or not (handler_call_details.method or "").startswith(OURS):
            return handler
        parse = handler.request_deserializer
        codec = (None, handler.response_serializer)  # parsed by the guards: gRPC would answer UNKNOWN where that fails
        # grpcio's types know only handlers that block; those of a grpc.aio server are coroutines and generators.
        unary: Any = handler.unary_unary
        stream: Any = handler.unary_stream
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(_guard_stream(stream, parse), *codec)
        return grpc.unary_unary_rpc_method_handler(_guard_unary(unary, parse), *codec)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls through that carry ``authorization: Bearer TOKEN``; health checks need none."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Refuse a call without the token."""
        metadata = dict(handler_call_details.invocation_metadata or ())
        offered = metadata.get("authorization", "")
        offered_bytes = offered if isinstance(offered, bytes) else offered.encode()
        is_health = (handler_call_details.method or "").startswith("/grpc.health.v1.Health/")
        if is_health or hmac.compare_digest(offered_bytes, self._expected):
            return await continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_request: bytes, context: Context) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this server wants a token: set CONVSCOPE_TOKEN")


def _guard_unary(behaviour: Callable[..., Awaitable[Any]], parse: Parse) -> Callable[..., Awaitable[Any]]:
    async def guarded(data: bytes, context: Context) -> Any:
        try:
            return await behaviour(_parsed(data, parse), context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where they all end
            return await abort(context, error)

    return guarded


def _guard_stream(behaviour: Callable[..., AsyncIterator[Any]], parse: Parse) -> Callable[..., AsyncIterator[Any]]:
    async def guarded(data: bytes, context: Context) -> AsyncIterator[Any]:
        try:
            async for response in behaviour(_parsed(data, parse), context):
                yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where they all end
            await abort(context, error)

    return guarded


def _parsed(data: bytes, parse: Parse) -> Any:
    try:
        return parse(data) if parse else data
    except DecodeError as error:
        raise InvalidRequestError(Violation("request", f"is not a message of this contract: {error}")) from error
