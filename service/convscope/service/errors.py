"""Errors of the service, and the one place where errors become gRPC statuses.

Domain errors are those of ``convscope.store.errors``, errors of Redis, and ``InvalidRequestError`` below.
"""

import logging
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import grpc
import redis
from google.protobuf.any_pb2 import Any
from google.rpc.code_pb2 import INVALID_ARGUMENT
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from convscope import store
from convscope.service.receiving import CrowdedError, TooSlowError
from convscope.v1.rules import Violation

__all__ = ["REDIS_AWAY", "InvalidRequestError", "ShuttingDownError", "Violation", "abort", "shorten"]

log = logging.getLogger(__name__)

Code = grpc.StatusCode


class ShuttingDownError(Exception):
    """The service is stopping; try another one, or this one after its restart."""


# The first class that an error is an instance of decides.
CODES: Sequence[tuple[type[Exception], grpc.StatusCode]] = (
    (store.NotFoundError, Code.NOT_FOUND),
    (store.RequestConflictError, Code.ALREADY_EXISTS),
    (store.ModelExistsError, Code.ALREADY_EXISTS),
    (store.StateError, Code.FAILED_PRECONDITION),
    (store.OffsetError, Code.OUT_OF_RANGE),
    (store.LogLostError, Code.DATA_LOSS),
    (store.BlobDamagedError, Code.DATA_LOSS),
    (store.BlobError, Code.UNAVAILABLE),
    (ShuttingDownError, Code.UNAVAILABLE),
    (CrowdedError, Code.RESOURCE_EXHAUSTED),
    (TooSlowError, Code.RESOURCE_EXHAUSTED),
)

# What is raised while Redis cannot be reached, is loading its data or takes no writes.
REDIS_AWAY = (redis.ConnectionError, redis.TimeoutError)


# What a status may hold: it travels in trailers, of which 8 KiB are sure to arrive, and other trailers need room too.
MOST_BYTES = 7_000
MOST_VIOLATIONS = 12
MOST_CHARACTERS = 240


def shorten(text: str) -> str:
    """Cut the middle out of a text that is too long for a status."""
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]} ... {text[-half:]}"


class InvalidRequestError(Exception):
    """The request has fields that cannot be right."""

    def __init__(self, *violations: Violation) -> None:
        listed = _fitting([_shortened(violation) for violation in violations[:MOST_VIOLATIONS]])
        more = f"; and {len(violations) - len(listed)} more" if len(listed) < len(violations) else ""
        super().__init__("; ".join(f"{violation.field}: {violation.description}" for violation in listed) + more)
        self.violations = listed


def _shortened(violation: Violation) -> Violation:
    return Violation(shorten(violation.field), shorten(violation.description))


def _fitting(violations: Sequence[Violation]) -> Sequence[Violation]:
    """Return the first violations, as many as a status has room for."""
    return violations[: bisect_right(list(accumulate(map(_size, violations))), MOST_BYTES)]


def _size(violation: Violation) -> int:
    """Return how many bytes of a status a violation takes.

    It stands in the message, where a byte that is not printable ASCII takes three, and twice in the details, in base
    64: as itself, and in the message, which they repeat.
    """
    text = f"{violation.field}: {violation.description}; ".encode()
    escaped = sum(not 0x20 <= byte < 0x7F or byte == ord("%") for byte in text)
    return len(text) + 2 * escaped + 2 * len(text) * 4 // 3


async def abort(context: "grpc.aio.ServicerContext[object, object]", error: Exception) -> None:
    """End a call with the status that an error stands for.

    Raises:
        grpc.aio.AbortError: always.
    """
    if isinstance(error, InvalidRequestError):
        await context.abort(Code.INVALID_ARGUMENT, str(error), _bad_request(error))
    for kind, code in CODES:
        if isinstance(error, kind):
            await context.abort(code, shorten(str(error)))
    if isinstance(error, REDIS_AWAY):
        await context.abort(Code.UNAVAILABLE, f"Redis cannot be used right now: {shorten(str(error))}")
    log.error("unexpected error", exc_info=error)
    await context.abort(Code.INTERNAL, f"internal error ({type(error).__name__}); the service's log has the details")


def _bad_request(error: InvalidRequestError) -> tuple[tuple[str, str | bytes], ...]:
    details = BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in error.violations
        ]
    )
    packed = Any()
    packed.Pack(details)
    status = Status(code=INVALID_ARGUMENT, message=str(error), details=[packed])
    metadata: tuple[tuple[str, str | bytes], ...] = rpc_status.to_status(status).trailing_metadata
    return metadata
