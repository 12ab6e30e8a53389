"""The one place where gRPC's errors become convscope's."""

import re
from collections.abc import Callable

import grpc

from convscope.client import errors
from convscope.client.config import Config
from convscope.client.paths import argument_path

__all__ = ["translate"]

_BY_CODE: dict[grpc.StatusCode, Callable[[str], errors.ServiceError]] = {
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.OUT_OF_RANGE: errors.OutOfRange,
    grpc.StatusCode.DATA_LOSS: errors.DataLoss,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
}

# Beginnings of gRPC's own messages; a server's answer begins otherwise, even if it mentions these further on.
_NO_CONNECTION = re.compile(
    r"failed to connect to all addresses|connections to all backends failing|DNS resolution failed|errors resolving"
    r"|empty address list"
)
_BROKEN_CONNECTION = re.compile(
    r"socket closed|recvmsg|sendmsg|connection reset|broken pipe|stream (removed|closed)|endpoint closing|fd shutdown"
    r"|goaway|too_many_pings|keepalive watchdog|ping timeout|transport|received http2|connection (closed|dropped)",
    re.IGNORECASE,
)

# gRPC's messages, on either side, about a request that is too large: its size, and the largest allowed.
_TOO_LARGE = re.compile(r"(?:CLIENT: Sent|SERVER: Received|^Sent) message larger than max \((\d+) vs\. (\d+)\)")


# gRPC's messages about a connection on which the two sides disagree, and the cause of each.
_MISMATCHES = (
    ("WRONG_VERSION_NUMBER", "what listens at {address} does not use TLS: leave out https:// and CONVSCOPE_TLS_CA"),
    ("certificate has expired", "the certificate of the server at {address} has expired"),
    ("not yet valid", "the certificate of the server at {address} is not valid yet, by this machine's clock"),
    ("Hostname Verification", "the certificate of the server at {address} is for another name: use that name"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the certificate of the server at {address} is of no authority that is trusted: give root_certificates "
        "(CONVSCOPE_TLS_CA)",
    ),
    ("HTTP/2", "what listens at {address} is not a convscope server: it does not speak gRPC"),
)
# gRPC servers' messages about a method that they do not have.
_NO_METHOD = {"Method not implemented!", "Method not found!"}
_CLOSED = re.compile(r"socket closed|connection reset|broken pipe|recvmsg|fd shutdown", re.IGNORECASE)


def translate(error: grpc.RpcError, config: Config) -> errors.ServiceError:
    """Return the error of this package that says the same, in one line."""
    address = config.address
    code, details = error.code(), _one_line(error.details())
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        fields = _bad_fields(error)
        return errors.InvalidArgument(_with_fields(details, fields), fields)
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(_unavailable(details, config))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"no answer from {address} in time")
    if code is grpc.StatusCode.CANCELLED or (code is grpc.StatusCode.INTERNAL and "RST_STREAM" in details):
        return errors.Unavailable(f"the convscope server at {address} broke off: {details}")
    if code in _BY_CODE:
        wrong = code is grpc.StatusCode.UNAUTHENTICATED and config.token
        return _BY_CODE[code](
            (_sizes(details) or code.name) + ("; the token that was sent is a wrong one" if wrong else "")
        )
    return errors.ServiceError(_other(code, details, address))


def _other(code: grpc.StatusCode, details: str, address: str) -> str:
    if code is grpc.StatusCode.UNIMPLEMENTED and details in _NO_METHOD:
        return f"what listens at {address} is another server, or another version of convscope"
    return f"the server at {address} answered {code.name}: {details or 'no details'}"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _sizes(details: str) -> str:
    """Return how large a request is that is too large; return other texts as they are."""
    match = _TOO_LARGE.search(details)
    size, most = (int(number) for number in match.groups()) if match else (0, 0)
    return f"the request has {size:,} bytes; a request has at most {most:,}" if match else details


def _unavailable(details: str, config: Config) -> str:
    """Return where the connection failed; return what a server answered as it is."""
    address = config.address
    if _NO_CONNECTION.match(details):
        return _no_connection(details, config)
    if not details or _BROKEN_CONNECTION.match(details):
        return f"the connection to the convscope server at {address} broke: {details or 'no details'}"
    return details


def _no_connection(details: str, config: Config) -> str:
    address = config.address
    for sign, text in _MISMATCHES:
        if sign in details:
            return text.format(address=address)
    if _CLOSED.search(details):
        cause = "it may want a certificate of the client's, which convscope does not send"
        if not config.encrypted:
            cause = f"if it uses TLS, write https://{address} and give root_certificates (CONVSCOPE_TLS_CA)"
        return f"what listens at {address} ends the connection: {cause}"
    cause = details.rpartition(": ")[2].rstrip("])").replace(" (", ", error ")
    return f"no convscope server at {address}: {cause}; start one with `convscope up`"


def _with_fields(message: str, fields: dict[str, str]) -> str:
    named = "; ".join(f"{field}: {fault}" for field, fault in fields.items() if fault not in message)
    return "; ".join(part for part in (message, named) if part) or "invalid argument"


def _bad_fields(error: grpc.RpcError) -> dict[str, str]:
    """Return each field that the status' google.rpc.BadRequest names, and what is wrong with it."""
    from google.rpc import error_details_pb2  # noqa: PLC0415  these two are needed after a fault only
    from grpc_status import rpc_status  # noqa: PLC0415

    try:
        status = rpc_status.from_call(error)
    except ValueError:  # details that contradict the status say nothing reliable
        return {}
    fields: dict[str, str] = {}
    for detail in status.details if status else ():
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            violations = bad.field_violations
            fields |= {argument_path(fault.field): _one_line(fault.description) for fault in violations}
    return fields
