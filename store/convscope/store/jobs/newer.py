"""Jobs that a newer version of the software made, while a fleet is upgraded: what this one would ignore is refused."""

from collections.abc import Iterator

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from convscope.store.errors import TooNewError

__all__ = ["check_understood"]


def check_understood(spec: Message) -> None:
    """Refuse a job whose spec has a field or a value of an enumeration that this version's contract lacks.

    Args:
        spec: without map fields.

    Raises:
        TooNewError: naming the first of them.
    """
    for found in _unknown(spec):
        raise TooNewError(found)


def _unknown(message: Message) -> Iterator[str]:
    unknown = UnknownFieldSet(message)
    yield from (f"field {unknown[place].field_number} of {message.DESCRIPTOR.name}" for place in range(len(unknown)))
    for field, value in message.ListFields():
        if field.message_type:
            for each in [value] if isinstance(value, Message) else value:
                yield from _unknown(each)
        elif field.enum_type:
            values = [value] if isinstance(value, int) else value
            yield from (f"{field.name} {each}" for each in values if each not in field.enum_type.values_by_number)
