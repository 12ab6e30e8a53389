"""All errors of convscope's client.

ConvscopeError
├── InvalidValue (ValueError)          a value given to the client cannot be right; nothing was sent
├── InvalidType (TypeError)            the same, of the wrong type
├── StartupError                       the server that the demo starts did not come up
├── MissingExtra (ImportError)         a part of convscope that is not installed
├── ProtocolError (ValueError)         the server's answer makes no sense to this client
├── ServiceError                       the server refused a request, or could not be asked
│   ├── InvalidArgument                a field that the server refuses; ``fields`` names it
│   ├── NotFound                       no such job, model or dataset
│   ├── AlreadyExists                  the request id was used with another job, or a model has the id
│   ├── FailedPrecondition             not in this state: cancel, wait or choose another
│   ├── OutOfRange                     bytes beyond the end of a file were asked for
│   ├── DataLoss                       something stored is missing or damaged
│   ├── Unauthenticated                no token, or a wrong one
│   ├── PermissionDenied               the token does not allow this
│   ├── ResourceExhausted              too much at once, or too large
│   ├── Unavailable                    no server at the address, or its Redis is away; try again
│   └── DeadlineExceeded (TimeoutError)  no answer, or no end of the job, within the time allowed
└── JobError                           a job ended without a result
    ├── JobFailed                      its computation failed; ``reason`` and ``message`` say why
    └── JobCancelled                   it was asked to stop
"""

# ruff: noqa: N818  named as the faults they are: NotFound, JobFailed

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "AlreadyExists",
    "ConvscopeError",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "InvalidArgument",
    "InvalidType",
    "InvalidValue",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "MissingExtra",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "ProtocolError",
    "ResourceExhausted",
    "ServiceError",
    "StartupError",
    "Unauthenticated",
    "Unavailable",
]


class ConvscopeError(Exception):
    """Base of all errors of this package; its text is one line that a person understands."""


class InvalidValue(ConvscopeError, ValueError):
    """A value given to the client cannot be right; nothing was sent.

    ``fields`` maps each argument that breaks a rule of the contract (``batch_size``) to what is allowed; it is empty
    where the fault is another.
    """

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields: Mapping[str, str] = dict(fields or {})


class InvalidType(ConvscopeError, TypeError):
    """A value given to the client has a type that cannot be right; nothing was sent."""


class StartupError(ConvscopeError):
    """The server that the demo starts for itself did not come up; its log says why."""


class MissingExtra(ConvscopeError, ImportError):
    """A part of convscope that is not installed; the text says what to install."""


class ProtocolError(ConvscopeError, ValueError):
    """The server's answer makes no sense to this client: damaged, or from another version."""


class ServiceError(ConvscopeError):
    """The server refused a request, or could not be asked."""


class InvalidArgument(ServiceError):
    """A field of the request does not fit what the server has, or is unknown to it.

    ``fields`` maps each argument (``learning_rate``, ``layers[0].name``) to what is wrong with it; it is empty where
    none was named.
    """

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields: Mapping[str, str] = MappingProxyType(dict(fields or {}))


class NotFound(ServiceError):
    """There is no such job, model or dataset."""


class AlreadyExists(ServiceError):
    """The request id was used before, with another job; or there is a model of the id that was chosen."""


class FailedPrecondition(ServiceError):
    """The job or model is not in a state that allows this."""


class OutOfRange(ServiceError):
    """Bytes beyond the end of a file were asked for."""


class DataLoss(ServiceError):
    """Something stored is missing or damaged."""


class Unauthenticated(ServiceError):
    """The server wants a token and got none, or a wrong one."""


class PermissionDenied(ServiceError):
    """The token does not allow this."""


class ResourceExhausted(ServiceError):
    """Too much at once, or a message that is too large."""


class Unavailable(ServiceError):
    """There is no server at the address, or it cannot reach its Redis; the request may be tried again."""


class DeadlineExceeded(ServiceError, TimeoutError):
    """No answer, or no end of the job, within the time allowed. The job keeps running."""


class JobError(ConvscopeError):
    """A job ended without a result. ``job`` is its name."""

    def __init__(self, job: str, message: str) -> None:
        super().__init__(f"{job} {message}")
        self.job = job
        self.message = message


class JobFailed(JobError):
    """A job failed.

    ``reason`` is one of ``computation``, ``model``, ``dataset``, ``worker_lost``, ``storage``, ``invalid``,
    ``timeout``; ``message`` says what happened. ``fields`` maps each argument that did not fit the model which the
    job had waited for to what is wrong with it.
    """

    def __init__(self, job: str, reason: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(job, f"failed ({reason}): {message}")
        self.reason = reason
        self.message = message
        self.fields: Mapping[str, str] = MappingProxyType(dict(fields or {}))


class JobCancelled(JobError):
    """A job was cancelled. ``message`` says why, where that is known."""

    def __init__(self, job: str, message: str = "") -> None:
        super().__init__(job, f"was cancelled: {message}" if message else "was cancelled")
        self.message = message
