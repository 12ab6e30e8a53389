"""Finds fields that this contract does not have: ignoring them would do something else than a newer client asks."""

from collections.abc import Iterator, Sequence
from itertools import islice

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from convscope.v1.field_options_pb2 import FieldRules
from convscope.v1.rules import Violation, field_rules

__all__ = ["unknown_fields"]


def unknown_fields(message: Message, path: str = "") -> Iterator[Violation]:
    """Yield violations for the unknown fields of a message and of all messages in it.

    Args:
        message: any message; maps in it are not searched.
        path: path of the message in the request; empty for the request itself.
    """
    unknown = UnknownFieldSet(message)
    for number in sorted({unknown[index].field_number for index in range(len(unknown))}):
        yield Violation(path or "request", _describe(number, message))
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            inner = f"{path}.{field.name}" if path else field.name
            yield from _inside(value, inner, field_rules(field))


def _inside(value: Message | Sequence[Message], path: str, rules: FieldRules) -> Iterator[Violation]:
    if isinstance(value, Message):
        yield from unknown_fields(value, path)
        return
    allowed = rules.max_items if rules.HasField("max_items") else None
    for index, element in enumerate(islice(value, allowed)):  # further ones are refused by the rule
        yield from unknown_fields(element, f"{path}[{index}]")


def _describe(number: int, message: Message) -> str:
    fields = message.DESCRIPTOR.fields_by_number
    if number in fields:  # unknown all the same, since its bytes do not have the field's type
        return f"has the field {number} ({fields[number].name}) of another type than in this server's contract"
    names = ", ".join(f"{field.name} ({field.number})" for field in message.DESCRIPTOR.fields)
    return f"has the unknown field {number}; allowed: {names}"
