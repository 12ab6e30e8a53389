"""Checks that requests of all services share."""

from collections.abc import Iterable

from google.protobuf.descriptor import EnumDescriptor

from convscope.service.errors import InvalidRequestError, Violation
from convscope.store.names import parse_name

__all__ = ["known_value", "known_values", "name_to_id"]


def name_to_id(collection: str, name: str, *, field: str = "name") -> str:
    """Take the id out of a name in the request's ``field``.

    Raises:
        InvalidRequestError: if it is malformed.
    """
    try:
        return parse_name(collection, name)
    except ValueError as error:
        raise InvalidRequestError(Violation(field, str(error))) from error


def known_values(field: str, values: Iterable[int], kind: EnumDescriptor) -> frozenset[int]:
    """Check the values of a filter.

    Raises:
        InvalidRequestError: for a value that the enum does not have.
    """
    found = frozenset(values)
    known = {each.number: each.name for each in kind.values if each.number != 0}
    if unknown := found - known.keys():
        allowed = ", ".join(known.values())
        raise InvalidRequestError(Violation(field, f"has the unknown value {min(unknown)}; allowed: {allowed}"))
    return found


def known_value(field: str, value: int, kind: EnumDescriptor, *, default: int) -> int:
    """Check the value of a choice, and fill in the default where none was made.

    Raises:
        InvalidRequestError: for a value that the enum does not have.
    """
    return next(iter(known_values(field, [value], kind))) if value else default
