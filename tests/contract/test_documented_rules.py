"""Ranges and defaults that documents and docstrings tell are those of the contract's rules."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from convscope import client
from convscope.client import render
from convscope.v1 import evaluate_pb2, render_pb2, train_pb2, visualize_pb2
from convscope.v1.rules import default_text, field_rules

ROOT = Path(__file__).parents[2]

NUMBER = r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?"
RANGE = re.compile(rf"(?:(above |greater than ))?\b({NUMBER}) (?:to|and at most) ({NUMBER})", re.IGNORECASE)
DEFAULT = re.compile(rf"Default ({NUMBER}|`\w+`)")

Range = tuple[bool, float, float]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def range_in(text: str) -> Range | None:
    """Return the range that a text states: whether the lower end is left out, and both ends."""
    match = RANGE.search(text)
    return (bool(match[1]), number(match[2]), number(match[3])) if match else None


def allowed(field: FieldDescriptor) -> Range:
    rules = field_rules(field)
    return (rules.HasField("above"), rules.above if rules.HasField("above") else rules.minimum, rules.maximum)


def bounded(kind: Descriptor, path: str = "") -> Iterator[tuple[str, FieldDescriptor]]:
    """Yield the fields of a message that have a range, and those of the messages in it."""
    for field in kind.fields:
        if field.message_type is not None:
            yield from bounded(field.message_type, f"{path}{field.name}.")
        elif field_rules(field).HasField("maximum"):
            yield path + field.name, field


def test_the_table_of_settings_has_the_ranges() -> None:
    lines = (ROOT / "docs" / "visualization.md").read_text().splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| `")]
    ranges = {row[0]: range_in(row[3]) for row in rows if len(row) == 4 and RANGE.search(row[3])}
    iterations = visualize_pb2.VisualizeSpec.DESCRIPTOR.fields_by_name["iterations"]
    fields = {"iterations": iterations, **dict(bounded(render_pb2.Render.DESCRIPTOR))}
    assert ranges == {name: allowed(field) for name, field in fields.items()}
    assert len(ranges) == 16


# What texts say of fields, by where they say it.
DOCSTRINGS: list[tuple[Any, Descriptor, int]] = [
    (client.Client.train, train_pb2.TrainSpec.DESCRIPTOR, 2),
    (client.Client.train, train_pb2.Adam.DESCRIPTOR, 1),
    (client.Client.evaluate, evaluate_pb2.EvaluateSpec.DESCRIPTOR, 2),
    (client.Client.visualize, visualize_pb2.VisualizeSpec.DESCRIPTOR, 2),
    (client.Convolution, train_pb2.Convolution.DESCRIPTOR, 3),
    (client.Dense, train_pb2.Dense.DESCRIPTOR, 1),
    (render.Fourier, render_pb2.Fourier.DESCRIPTOR, 2),
    (render.Transforms, render_pb2.Transforms.DESCRIPTOR, 4),
    (render.NormalizedStep, render_pb2.NormalizedStep.DESCRIPTOR, 2),
    (render.AdamStep, render_pb2.AdamStep.DESCRIPTOR, 1),
    (render.Render, render_pb2.Render.DESCRIPTOR, 1),
]


@pytest.mark.parametrize(("owner", "kind", "least"), DOCSTRINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_docstrings_have_the_ranges_and_defaults(owner: Any, kind: Descriptor, least: int) -> None:
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", inspect.getdoc(owner) or "", re.MULTILINE)
    fields = {
        name: (kind.fields_by_name[name], " ".join(text.split()))
        for name, text in entries
        if name in kind.fields_by_name
    }
    ranges = {name: range_in(text) for name, (_, text) in fields.items() if range_in(text)}
    assert len(ranges) >= least
    assert ranges == {name: allowed(fields[name][0]) for name in ranges}
    for field, text in fields.values():
        if match := DEFAULT.search(text):
            default = default_text(field).rpartition("_")[2].lower()
            assert default == match[1].strip("`") or number(default) == number(match[1]), field.full_name
