"""Objectives and settings as they are written on the command line."""

import re

from convscope.client import objectives
from convscope.client.enums import Tap
from convscope.client.errors import InvalidValue
from convscope.client.objectives import Objective
from convscope.v1 import objective_pb2
from convscope.v1.rules import allowed_text, violations

__all__ = ["parse_objectives", "parse_settings"]

_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
_NAME = objective_pb2.Objective.DESCRIPTOR.fields_by_name["name"]
_SIGNS = re.compile(r"\s+([+-])\s+")
_WEIGHTED = re.compile(rf"(?P<minus>-)?(?:(?P<weight>{_NUMBER})\*)?(?P<what>.+)")
_CALL = re.compile(r"(?P<function>post|diversity)\((?P<inside>.+)\)")
_FEATURE = re.compile(r"(?P<layer>[^:@]+):(?P<feature>\d+)(?:@(?:(?P<row>\d+),(?P<column>\d+))?)?")
_DIRECTION = re.compile(r"(?P<layer>[^:@]+):\[(?P<vector>[^\]]*)\]")
_LAYER = re.compile(r"[^:@\[\]()*\s]+")


def parse_objectives(texts: list[str]) -> dict[str, Objective] | list[Objective] | None:
    """Return the objectives of ``edges=conv2:3 - 0.5*conv1``, ``conv2:3@5,6``, ..., by name if any has one.

    An unnamed objective among named ones has the name that the server gives it, as ``objectives[1]``.
    """
    parsed = [_named(text.strip()) for text in texts]
    if not any(name for name, _ in parsed):
        return [objective for _, objective in parsed] or None
    names = [name or f"objectives[{number}]" for number, (name, _) in enumerate(parsed)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidValue(f"objectives: two have the name {twice!r}; give them different names")
    return {name: objective for name, (_, objective) in zip(names, parsed, strict=True)}


def parse_settings(texts: list[str]) -> dict[str, float | bool | None] | None:
    """Return the settings of ``transforms.jitter=0.1``, ``decorrelate=false``, ``fourier``."""
    settings: dict[str, float | bool | None] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        settings[name] = _value(name, value) if equals else None
    return settings or None


def _named(text: str) -> tuple[str, Objective]:
    before, equals, after = text.partition("=")
    name, total = (before.strip(), after) if equals else ("", text)
    if equals and not _is_name(name):
        raise InvalidValue(f"objectives: {name!r} cannot name an objective; a name has {allowed_text(_NAME)}")
    if not total.strip():
        raise InvalidValue(f"objectives: {text!r} is not of the form [NAME=]TERM [+ TERM ...]")
    return name, _sum(total)


def _is_name(name: str) -> bool:
    """Return whether an objective can have this name; names in brackets are those of objectives that have no other."""
    faults = violations(objective_pb2.Objective(name=name))
    return bool(name) and "[" not in name and all(fault.field != _NAME.name for fault in faults)


def _sum(text: str) -> Objective:
    first, *rest = _SIGNS.split(text.strip())
    total = _term(first)
    for sign, term in zip(rest[::2], rest[1::2], strict=True):
        total = total + _term(term) if sign == "+" else total - _term(term)
    return total


def _term(text: str) -> Objective:
    match = _WEIGHTED.fullmatch(text.strip())
    if not match:
        raise _unknown(text)
    term = _what(match["what"].strip())
    weight = float(match["weight"] or 1) * (-1 if match["minus"] else 1)
    return term if weight == 1 else weight * term


def _what(text: str, tap: str | None = None) -> Objective:
    if call := _CALL.fullmatch(text):
        return _call(call["function"], call["inside"].strip(), tap)
    if match := _FEATURE.fullmatch(text):
        if "@" in text:
            place = [None if match[name] is None else int(match[name]) for name in ("row", "column")]
            return objectives.neuron(match["layer"], int(match["feature"]), *place, tap=tap)
        return objectives.channel(match["layer"], int(match["feature"]), tap=tap)
    if match := _DIRECTION.fullmatch(text):
        components = match["vector"].split(",") if match["vector"].strip() else []
        return objectives.direction(match["layer"], [_real(component) for component in components], tap=tap)
    if _LAYER.fullmatch(text):
        return objectives.layer(text, tap=tap)
    raise _unknown(text)


def _call(function: str, inside: str, tap: str | None) -> Objective:
    if tap is not None:
        raise _unknown(f"post({function}({inside}))")
    return objectives.diversity(inside) if function == "diversity" else _what(inside, Tap.POST_ACTIVATION)


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValue(f"vector: {text.strip()!r} is not a number") from None


def _value(name: str, text: str) -> float | bool:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError:
        raise InvalidValue(f"render.{name}: {text!r} is neither a number nor true or false") from None


def _unknown(text: str) -> InvalidValue:
    forms = "LAYER:FEATURE, LAYER:CHANNEL@ROW,COLUMN, LAYER, LAYER:[NUMBERS], diversity(LAYER), post(TERM)"
    return InvalidValue(f"objectives: {text.strip()!r} is none of {forms}, each with WEIGHT* before it if need be")
