"""Rules for requests, read from the options of the contract's fields.

Client and service check requests with the same functions, and the reference documentation describes fields with them:
only the ``.proto`` files state ranges, defaults and required fields. The service checks what depends on a model, a
dataset or another field.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import inf
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from convscope.v1 import field_options_pb2
from convscope.v1.field_options_pb2 import FieldRules, OneofRules

__all__ = [
    "LONGEST_S",
    "Violation",
    "allowed_text",
    "default_text",
    "field_rules",
    "fill_defaults",
    "oneof_rules",
    "violations",
]

INTEGERS: Final = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
FLOATS: Final = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})
DURATION: Final = "google.protobuf.Duration"

# The longest Duration, in seconds: some 10,000 years. Its seconds and nanoseconds must not have different signs.
LONGEST_S: Final = 315_576_000_000
# Nanoseconds in a second.
SECOND: Final = 10**9

# Characters of a wrong string that a message repeats.
MOST_SHOWN: Final = 100

# Patterns for words in braces in resource names, and how messages describe them.
ID: Final = "[a-z0-9][a-z0-9_-]{0,63}"
SEGMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "number": ("0|[1-9][0-9]{0,17}", "a whole number"),
    "file": (r"(?:[A-Za-z0-9_.~-]|%[0-9A-Fa-f]{2}){1,255}", "percent-escaped"),
}
ID_NOTE: Final = "lower-case letters, digits, '-' and '_', at most 64, the first a letter or digit"


@dataclass(frozen=True, slots=True)
class Violation:
    """An invalid field.

    Attributes:
        field: its path in the message, like ``spec.train.batch_size`` or ``terms[2].weight``.
        description: what is allowed, to be read after the path and a colon.
    """

    field: str
    description: str


@cache
def field_rules(field: FieldDescriptor) -> FieldRules:
    """Return the rules of a field; empty if it has none."""
    return field.GetOptions().Extensions[field_options_pb2.rules]


@cache
def oneof_rules(oneof: OneofDescriptor) -> OneofRules:
    """Return the rules of a oneof; empty if it has none."""
    return oneof.GetOptions().Extensions[field_options_pb2.oneof_rules]


def violations(message: Message, path: str = "") -> Iterator[Violation]:
    """Yield the violations of a request, in the order of its fields.

    Fields that are not set are valid unless they are required, whether or not their defaults are filled in.

    Args:
        message: the request or a part of it. Its unknown fields are not checked.
        path: path of the message in the request; empty for the request itself.
    """
    for oneof in _oneofs(message.DESCRIPTOR):
        if oneof_rules(oneof).required and message.WhichOneof(oneof.name) is None:
            names = ", ".join(field.name for field in oneof.fields)
            yield Violation(_join(path, oneof.name), f"is required: one of {names}")
    for field in _fields(message.DESCRIPTOR):
        yield from _field_violations(message, field, _join(path, field.name))


def fill_defaults(message: Message) -> None:
    """Set every field that is not set and has a default, here and in all messages that are set.

    Numbers whose bounds are coerced are brought within them. Defaults that depend on more than a field are not filled
    in. A list with too many elements is not changed.
    """
    for oneof in _oneofs(message.DESCRIPTOR):
        chosen = oneof_rules(oneof).default_field
        if chosen and message.WhichOneof(oneof.name) is None:
            getattr(message, chosen).SetInParent()
    for field in _fields(message.DESCRIPTOR):
        if _is_set(message, field):
            _fill_inside(message, field)
        elif _own_oneof(field) is None:
            _fill(message, field)


def allowed_text(field: FieldDescriptor) -> str:
    """Describe the values that a field may have, like ``1 to 8,192``; empty if any value is allowed."""
    rules = field_rules(field)
    parts = [_bounds_text(field), _strings_text(rules), _length_text(rules), _items_text(rules)]
    if field.enum_type is not None:
        parts.append(_enum_text(field))
    return "; ".join(part for part in parts if part)


def default_text(field: FieldDescriptor) -> str:
    """Describe a field's default, like ``256``; empty if it is the zero of the type."""
    rules = field_rules(field)
    match rules.WhichOneof("default"):
        case "default_number":
            return f"{_number_text(rules.default_number)}{' seconds' if _is_duration(field) else ''}"
        case "default_text":
            return rules.default_text
        case "default_flag":
            return "true" if rules.default_flag else "false"
        case _:
            return rules.default_note


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _own_oneof(field: FieldDescriptor) -> OneofDescriptor | None:
    """Return the oneof that the contract puts a field in, not the synthetic one of an ``optional`` field."""
    oneof = field.containing_oneof
    return None if oneof is None or oneof.name == f"_{field.name}" else oneof


@cache
def _oneofs(descriptor: Descriptor) -> Sequence[OneofDescriptor]:
    return [oneof for oneof in descriptor.oneofs if _own_oneof(oneof.fields[0]) is not None]


@cache
def _fields(descriptor: Descriptor) -> Sequence[FieldDescriptor]:
    return list(descriptor.fields)


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return message.HasField(field.name)
    value = getattr(message, field.name)
    return len(value) > 0 if field.is_repeated else bool(value != field.default_value)


def _is_duration(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == DURATION


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _messages(message: Message, field: FieldDescriptor) -> Iterator[tuple[str, Message]]:
    """Yield the messages in a field, each with what is appended to the field's path."""
    value = getattr(message, field.name)
    if _is_map(field):
        if isinstance(next(iter(value.values()), None), Message):
            yield from ((f"[{key}]", value[key]) for key in sorted(value))
    elif field.is_repeated:
        yield from ((f"[{index}]", element) for index, element in enumerate(value))
    else:
        yield "", value


def _fill(message: Message, field: FieldDescriptor) -> None:
    rules = field_rules(field)
    default = rules.WhichOneof("default")
    if default is None or field.is_repeated:
        return
    if _is_duration(field):
        nanoseconds = round(rules.default_number * SECOND)
        duration = getattr(message, field.name)
        duration.seconds, duration.nanos = divmod(nanoseconds, SECOND)
        duration.SetInParent()
    else:
        setattr(message, field.name, _as_value(field, getattr(rules, default)))


def _as_value(field: FieldDescriptor, value: Any) -> Any:
    """Return a default or a bound as a value of the field's type."""
    if field.enum_type is not None:
        return field.enum_type.values_by_name[value].number
    return int(value) if field.cpp_type in INTEGERS else value


def _fill_inside(message: Message, field: FieldDescriptor) -> None:
    if field.message_type is not None:
        if not list(_items_violations(getattr(message, field.name), field, "")):
            for _, inner in _messages(message, field):
                fill_defaults(inner)
    elif field_rules(field).strictness == field_options_pb2.STRICTNESS_COERCED and not field.is_repeated:
        setattr(message, field.name, _coerced(field, getattr(message, field.name)))


def _coerced(field: FieldDescriptor, value: float) -> float:
    rules = field_rules(field)
    if rules.HasField("minimum"):
        value = max(value, rules.minimum)
    if rules.HasField("maximum"):
        value = min(value, rules.maximum)
    coerced: float = _as_value(field, value)
    return coerced


def _field_violations(message: Message, field: FieldDescriptor, path: str) -> Iterator[Violation]:
    rules = field_rules(field)
    if not _is_set(message, field):
        yield from _unset_violations(field, rules, path)
    elif rules.output_only:
        yield Violation(path, "is set by the server; leave it out")
    else:
        miscounted = list(_items_violations(getattr(message, field.name), field, path))
        yield from miscounted
        if not miscounted:  # else there may be millions of elements
            yield from _value_violations(message, field, path)


def _unset_violations(field: FieldDescriptor, rules: FieldRules, path: str) -> Iterator[Violation]:
    if _own_oneof(field) is not None or rules.output_only:
        return
    if rules.required:
        allowed = allowed_text(field)
        yield Violation(path, f"is required: {allowed}" if allowed else "is required")
    elif field.is_repeated:
        if rules.min_items:
            yield Violation(path, f"must have {_items_text(rules)}, not 0")
    elif not field.has_presence and field.cpp_type in INTEGERS | FLOATS and rules.WhichOneof("default") is None:
        yield from _scalar_violations(field, 0, path)


def _items_violations(value: Any, field: FieldDescriptor, path: str) -> Iterator[Violation]:
    rules = field_rules(field)
    if field.is_repeated:
        most = rules.max_items if rules.HasField("max_items") else len(value)
        if not rules.min_items <= len(value) <= most:
            yield Violation(path, f"must have {_items_text(rules)}, not {len(value):,}")


def _value_violations(message: Message, field: FieldDescriptor, path: str) -> Iterator[Violation]:
    value = getattr(message, field.name)
    if _is_map(field):
        yield from _map_violations(field, value, path)
    elif field.is_repeated and field.message_type is None:
        yield from _first_of(field, value, path)
        return
    if field.message_type is None or _is_duration(field):
        yield from _scalar_violations(field, value, path)
        return
    for suffix, inner in _messages(message, field):
        yield from violations(inner, path + suffix)


def _first_of(field: FieldDescriptor, values: Sequence[Any], path: str) -> Iterator[Violation]:
    """Yield the violations of the first element that has any: usually the others have the same."""
    if _all_within(field_rules(field), field, values):
        return
    for index, value in enumerate(values):
        wrong = list(_scalar_violations(field, value, f"{path}[{index}]"))
        if wrong:
            yield from wrong
            return


def _all_within(rules: FieldRules, field: FieldDescriptor, values: Sequence[Any]) -> bool:
    """Return whether a quick check shows that all numbers of a list, which may be long, are within their bounds."""
    if field.cpp_type not in INTEGERS | FLOATS or rules.magnitude or rules.HasField("above") or rules.HasField("below"):
        return False
    low = rules.minimum if rules.HasField("minimum") else -inf
    high = rules.maximum if rules.HasField("maximum") else inf
    if field.cpp_type in INTEGERS:
        return bool(low <= min(values) and max(values) <= high)
    return all(low <= value <= high for value in values)


def _map_violations(field: FieldDescriptor, entries: Mapping[Any, Any], path: str) -> Iterator[Violation]:
    rules = field_rules(field)
    for key in sorted(entries):
        inside = f"{path}[{key}]"
        if rules.pattern and not re.fullmatch(rules.pattern, str(key)):
            yield Violation(inside, f"has a key that must be {rules.pattern_note or rules.pattern}")
        if isinstance(entries[key], str | bytes):
            yield from _length_violations(rules, entries[key], inside)


def _scalar_violations(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    rules = field_rules(field)
    if field.enum_type is not None:
        if value not in field.enum_type.values_by_number or value == 0:
            yield Violation(path, f"has the unknown value {value}; allowed: {_enum_text(field)}")
    elif isinstance(value, str | bytes):
        yield from _length_violations(rules, value, path)
        if isinstance(value, str) and value:
            yield from _string_violations(rules, value, path)
    elif rules.strictness != field_options_pb2.STRICTNESS_COERCED:
        yield from _number_violations(field, value, path)


def _length_violations(rules: FieldRules, value: str | bytes, path: str) -> Iterator[Violation]:
    most = rules.max_length if rules.HasField("max_length") else len(value)
    if value and not rules.min_length <= len(value) <= most:
        yield Violation(path, f"must have {_length_text(rules)}, not {len(value):,}")


def _string_violations(rules: FieldRules, value: str, path: str) -> Iterator[Violation]:
    wrong = (
        (rules.allowed and value not in rules.allowed)
        or (rules.pattern and not re.fullmatch(rules.pattern, value))
        or (rules.resource and not _resource_pattern(rules.resource).fullmatch(value))
    )
    if wrong:
        shown = value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}..."
        yield Violation(path, f"must be {_strings_text(rules)}, not {shown!r}")


def _number_violations(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    number: float | Fraction | None = _seconds(value) if _is_duration(field) else value
    if number is None:
        yield Violation(path, f"has {value.seconds} s and {value.nanos} ns, which is not a duration")
    elif not _within(field_rules(field), number):
        given = f"{_number_text(float(number))} s" if isinstance(number, Fraction) else _number_text(number)
        yield Violation(path, f"must be {_bounds_text(field)}, not {given}")


def _seconds(duration: Any) -> Fraction | None:
    """Return a duration's length, or None if it is malformed."""
    seconds, nanos = int(duration.seconds), int(duration.nanos)
    if abs(seconds) > LONGEST_S or abs(nanos) >= SECOND or seconds * nanos < 0:
        return None
    return Fraction(seconds) + Fraction(nanos, SECOND)


def _within(rules: FieldRules, number: float | Fraction) -> bool:
    """Return whether a number is within the bounds, in which NaN is not."""
    size: Any = abs(number) if rules.magnitude else number
    checks = {
        "minimum": size >= rules.minimum,
        "above": size > rules.above,
        "maximum": size <= rules.maximum,
        "below": size < rules.below,
    }
    ends = (rules.WhichOneof("lower"), rules.WhichOneof("upper"))
    return all(checks[end] for end in ends if end is not None)


@cache
def _resource_pattern(form: str) -> re.Pattern[str]:
    """Return the pattern of names of a form like ``jobs/{job}/images/{number}``."""
    parts = re.split(r"\{(\w+)\}", form)
    patterns = [
        f"(?:{SEGMENTS.get(part, (ID, ''))[0]})" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    ]
    return re.compile("".join(patterns))


def _resource_text(form: str) -> str:
    names = re.findall(r"\{(\w+)\}", form)
    notes = [f"{name}: {SEGMENTS.get(name, ('', ID_NOTE))[1]}" for name in names]
    shown = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), form)
    explained = "; ".join(note[: note.index(":")].upper() + note[note.index(":") :] for note in notes)
    return f"of the form {shown} ({explained})"


def _number_text(number: float) -> str:
    """Return a number in as few digits as distinguish it from all others: 0.5000001 is not 0.5."""
    if isinstance(number, int) or number.is_integer():
        return f"{int(number):,}"
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _bounds_text(field: FieldDescriptor) -> str:
    rules = field_rules(field)
    lower, upper = rules.WhichOneof("lower"), rules.WhichOneof("upper")
    low = _number_text(getattr(rules, lower)) if lower else ""
    high = _number_text(getattr(rules, upper)) if upper else ""
    if lower == "minimum" and upper == "maximum":
        text = f"{low} to {high}"
    else:
        words = {"minimum": "at least", "above": "greater than", "maximum": "at most", "below": "less than", None: ""}
        text = " and ".join(f"{words[end]} {bound}" for end, bound in ((lower, low), (upper, high)) if end)
    text += " seconds" if text and _is_duration(field) else ""
    return f"{text}, or the same below 0" if text and rules.magnitude else text


def _enum_text(field: FieldDescriptor) -> str:
    values = field.enum_type.values if field.enum_type is not None else ()
    return ", ".join(value.name for value in values if value.number != 0)


def _strings_text(rules: FieldRules) -> str:
    if rules.allowed:
        return f"one of {', '.join(rules.allowed)}"
    if rules.resource:
        return _resource_text(rules.resource)
    return rules.pattern_note or rules.pattern


def _length_text(rules: FieldRules) -> str:
    return _count_text(rules, "length", "characters")


def _items_text(rules: FieldRules) -> str:
    return _count_text(rules, "items", "items")


def _count_text(rules: FieldRules, quantity: str, unit: str) -> str:
    least, most = getattr(rules, f"min_{quantity}"), getattr(rules, f"max_{quantity}")
    if not rules.HasField(f"max_{quantity}"):  # type: ignore[arg-type]  # these names are fields
        return f"at least {least:,} {unit}" if least else ""
    return f"{least:,} to {most:,} {unit}" if least else f"at most {most:,} {unit}"
