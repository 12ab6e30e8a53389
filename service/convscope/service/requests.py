"""Checks requests by the rules on the contract's fields."""

from google.protobuf.message import Message

from convscope.service.errors import InvalidRequestError
from convscope.v1.jobs_pb2 import CreateJobRequest
from convscope.v1.rules import fill_defaults, violations

__all__ = ["check_request"]


def check_request(request: Message) -> None:
    """Refuse a request that breaks rules, naming all of them; else fill in its defaults.

    Every request passes here before its handler sees it. That of CreateJob is left alone: it is stored as it was sent,
    and planning the job reports broken rules together with what does not fit the model.

    Raises:
        InvalidRequestError: if it breaks a rule.
    """
    if isinstance(request, CreateJobRequest):
        return
    if broken := list(violations(request)):
        raise InvalidRequestError(*broken)
    fill_defaults(request)
