"""Refuses jobs of a newer version, during an upgrade of a fleet, whose specs have fields that this one would ignore."""

from collections.abc import Iterator

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from convscope.store.errors import TooNewError

__all__ = ["check_understood"]


def check_understood(spec: Message) -> None:
    """Refuse a job whose spec has a field or an enum value that this version's contract lacks.

    Args:
        spec: a message without map fields.

    Raises:
        TooNewError: naming the first of them.
    """
    for unknown in _unknown(spec):
        raise TooNewError(unknown)


def _unknown(message: Message) -> Iterator[str]:
    fields = UnknownFieldSet(message)
    yield from (f"field {fields[index].field_number} of {message.DESCRIPTOR.name}" for index in range(len(fields)))
    for field, value in message.ListFields():
        if field.message_type:
            for inner in [value] if isinstance(value, Message) else value:
                yield from _unknown(inner)
        elif field.enum_type:
            values = [value] if isinstance(value, int) else value
            defined = field.enum_type.values_by_number
            yield from (f"{field.name} {number}" for number in values if number not in defined)
