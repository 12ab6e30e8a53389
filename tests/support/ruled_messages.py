"""Messages that keep the rules on their fields, and every way to break one of these."""

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from convscope.v1.field_options_pb2 import STRICTNESS_COERCED, FieldRules
from convscope.v1.rules import field_rules, oneof_rules

__all__ = ["REAL", "WHOLE", "breakages", "ends", "fill_validly"]

WHOLE = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
REAL = {FieldDescriptor.CPPTYPE_DOUBLE: 64, FieldDescriptor.CPPTYPE_FLOAT: 32}

NAMES = {
    "models/{model}": ["models/a", "models/0-_z", f"models/{'a' * 64}"],
    "datasets/{dataset}": ["datasets/mnist"],
    "jobs/{job}": ["jobs/01k"],
    "jobs/{job}/images/{number}": ["jobs/a/images/0", "jobs/a/images/700"],
    "jobs/{job}/files/{file}": ["jobs/a/files/x.npy", "jobs/a/files/a%2Fb"],
    "{model}": ["mine", "9"],
}


def right_numbers(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    rules = field_rules(field)
    low, high = (getattr(rules, end) if end else None for end in (rules.WhichOneof("lower"), rules.WhichOneof("upper")))
    if field.cpp_type in WHOLE:
        least, most = WHOLE[field.cpp_type]
        return st.integers(least if low is None else int(low), most if high is None else int(high))
    numbers = st.floats(low, high, exclude_min=rules.HasField("above"), exclude_max=rules.HasField("below"), width=64)
    if REAL[field.cpp_type] == 32:
        numbers = st.sampled_from([0.0, -1.5, low or 0.0, high or 0.0])
    return numbers.flatmap(lambda number: st.sampled_from([number, -number])) if rules.magnitude else numbers


def valid_scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Return values of a field that its rules allow."""
    rules = field_rules(field)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values if value.number])
    if field.cpp_type in WHOLE or field.cpp_type in REAL:
        return right_numbers(field)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    return right_texts(rules)


def right_texts(rules: FieldRules) -> st.SearchStrategy[str]:
    most = rules.max_length if rules.HasField("max_length") else None
    if rules.resource or rules.allowed:
        return st.sampled_from(NAMES[rules.resource] if rules.resource else list(rules.allowed))
    if not rules.pattern:
        return st.text(min_size=1, max_size=most)
    texts = st.from_regex(rules.pattern, fullmatch=True).map(lambda text: text[:most])
    return texts.filter(lambda text: re.fullmatch(rules.pattern, text) is not None)


def fill_validly(data: st.DataObject, message: Any) -> None:
    """Set what is required, and any other fields, to values that are allowed."""
    choices = {
        oneof.name: data.draw(st.sampled_from(list(oneof.fields))).name
        for oneof in message.DESCRIPTOR.oneofs
        if not oneof.name.startswith("_")
    }
    for field in message.DESCRIPTOR.fields:
        rules = field_rules(field)
        oneof = field.containing_oneof.name if field.containing_oneof is not None else ""
        wanted = choices[oneof] == field.name if oneof in choices else data.draw(st.booleans())
        if (wanted and not rules.output_only) or is_needed(field):
            set_rightly(data, message, field)


def is_needed(field: FieldDescriptor) -> bool:
    """Return whether a field that is not set breaks a rule."""
    rules = field_rules(field)
    zero_is_wrong = rules.minimum > 0 and not field.has_presence and rules.WhichOneof("default") is None
    return rules.required or rules.min_items > 0 or (zero_is_wrong and not field.is_repeated)


def set_rightly(data: st.DataObject, message: Any, field: FieldDescriptor) -> None:
    value, rules = getattr(message, field.name), field_rules(field)
    if field.message_type is None and field.is_repeated:
        value.extend(data.draw(st.lists(valid_scalars(field), min_size=max(1, rules.min_items), max_size=4)))
    elif field.message_type is None:
        setattr(message, field.name, data.draw(valid_scalars(field)))
    elif field.message_type.GetOptions().map_entry:
        value[data.draw(st.from_regex(rules.pattern or "[a-z]", fullmatch=True))] = data.draw(st.text(max_size=9))
    elif field.message_type.full_name == "google.protobuf.Duration":
        value.seconds = data.draw(st.integers(int(rules.minimum), int(rules.maximum)))
    else:
        inner = value.add() if field.is_repeated else value
        inner.SetInParent()
        fill_validly(data, inner)


def neighbour(field: FieldDescriptor, number: float, direction: int) -> float:
    """Return the next value of the field's type."""
    if field.cpp_type in WHOLE:
        return int(number) + direction
    if REAL.get(field.cpp_type) == 32:
        return number + direction * abs(number) * 2**-20
    return math.nextafter(number, direction * math.inf)


def ends(field: FieldDescriptor) -> Iterator[tuple[float, float]]:
    """Yield pairs of the outermost value that a field's rules allow, and the next one, which they do not."""
    rules = field_rules(field)
    for end, direction in ((rules.WhichOneof("lower"), -1), (rules.WhichOneof("upper"), 1)):
        if end in {"minimum", "maximum"}:
            bound = getattr(rules, end)
            allowed = int(bound) if field.cpp_type in WHOLE else bound
            yield allowed, neighbour(field, allowed, direction)
        elif end is not None:
            bound = getattr(rules, end)
            yield neighbour(field, bound, -direction), bound


def breakages(message: Any, path: str = "") -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each way to break a rule of a message or of one in it: what is named then, and a function that does it."""
    before = f"{path}." if path else ""
    for oneof in message.DESCRIPTOR.oneofs:
        if oneof_rules(oneof).required and message.WhichOneof(oneof.name):
            yield before + oneof.name, partial(message.ClearField, message.WhichOneof(oneof.name))
    for field in message.DESCRIPTOR.fields:
        yield from ((f"{before}{field.name}{suffix}", spoil) for suffix, spoil in _spoiling(message, field))
    yield from _breakages_inside(message, before)


def _breakages_inside(message: Any, before: str) -> Iterator[tuple[str, Callable[[], object]]]:
    for field, value in message.ListFields():
        if isinstance(value, Message):
            yield from breakages(value, before + field.name)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for index, element in enumerate(value):
                yield from breakages(element, f"{before}{field.name}[{index}]")


def _spoiling(message: Any, field: FieldDescriptor) -> Iterator[tuple[str, Callable[[], object]]]:
    rules, name = field_rules(field), field.name
    if rules.output_only:
        return
    if rules.required:
        yield "", lambda: message.ClearField(name)
    values = list(_wrong_values(field, rules))
    if field.is_repeated:
        there = getattr(message, name)
        yield from ((f"[{len(there)}]", lambda value=value: there.append(value)) for value in values)
        if rules.HasField("max_items"):
            yield "", lambda: _overfill(there, field, rules.max_items + 1)
        if rules.min_items and there:
            yield "", lambda: message.ClearField(name)
    else:
        yield from (("", lambda value=value: setattr(message, name, value)) for value in values)


def _wrong_values(field: FieldDescriptor, rules: FieldRules) -> Iterator[Any]:
    if field.enum_type is not None:
        yield from (99, -1)
    elif field.cpp_type in WHOLE or field.cpp_type in REAL:
        if rules.strictness != STRICTNESS_COERCED:
            yield from (refused for _, refused in ends(field))
            if field.cpp_type in REAL and rules.WhichOneof("upper"):
                yield from (math.nan, math.inf, -math.inf)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if rules.HasField("max_length"):
            yield "a" * (rules.max_length + 1)
        if rules.resource or rules.pattern or rules.allowed:
            yield from ("Ü/x", "\n")


def _overfill(there: Any, field: FieldDescriptor, count: int) -> None:
    if field.message_type is None:
        there.extend(["a" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 1] * count)
    elif field.message_type.GetOptions().map_entry:
        there.update({f"key{number}": "" for number in range(count)})
    else:
        for _ in range(count):
            there.add()
