"""The ranges that the contract's comments give are those that are allowed, to the last number on either side."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convscope.service.errors import InvalidRequestError
from convscope.service.validation.checks import Checks
from convscope.service.validation.visualize import check_visualize
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.visualize_specs import model

ROOT = Path(__file__).parents[2]

# Where settings stand in a spec, by the message that they are fields of.
PATHS = {
    "VisualizeSpec": "",
    "Render": "render.",
    "Fourier": "render.fourier.",
    "Transforms": "render.transforms.",
    "Regularizers": "render.regularizers.",
    "NormalizedStep": "render.normalized.",
    "Adam": "render.adam.",
}

MESSAGE = re.compile(r"((?:^//[^\n]*\n)+)^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"((?:^ +//.*\n)+) +(?:optional )?(double|int32) (\w+) = \d+;", re.MULTILINE)
RANGE = re.compile(r"(> |above )?\b(\d[\d.,e]*) to (\d[\d.,e]*\d|\d)")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a comment allows; ``above`` leaves the lowest out."""

    whole: bool
    above: bool
    low: float
    high: float

    @property
    def within(self) -> list[float]:
        return [self._next(self.low, 1) if self.above else self.low, self.high]

    @property
    def beyond(self) -> list[float]:
        nearest = [self.low if self.above else self._next(self.low, -1), self._next(self.high, 1)]
        return [*nearest, *([-(2**31), 2**31 - 1] if self.whole else [-math.inf, math.inf, math.nan])]

    def _next(self, number: float, direction: int) -> float:
        return number + direction if self.whole else math.nextafter(number, direction * math.inf)


def to_range(text: str, *, whole: bool) -> Range:
    found = RANGE.search(text)
    assert found, text
    low, high = (float(bound.replace(",", "")) for bound in found.groups()[1:])
    return Range(whole, bool(found[1]), *((int(low), int(high)) if whole else (low, high)))


def documented() -> Iterator[tuple[str, Range]]:
    """The path of every number of a spec's own and of its settings', and the range in its comment or its message's."""
    for name in ("visualize", "render"):
        text = (ROOT / "protos" / "convscope" / "v1" / f"{name}.proto").read_text()
        for about, message, body in MESSAGE.findall(text):
            for comment, kind, field in FIELD.findall(body) if message in PATHS else ():
                yield f"{PATHS[message]}{field}", to_range(comment + about, whole=kind == "int32")


RANGES = dict(documented())


def spec_with(path: str, value: float) -> VisualizeSpec:
    spec = VisualizeSpec()
    owner: Any = spec
    *parents, field = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, field, value)
    return spec


def faults(spec: VisualizeSpec) -> dict[str, str]:
    checks = Checks("spec.visualize")
    check_visualize(spec, model(), 1e12, checks)
    try:
        checks.finish()
    except InvalidRequestError as error:
        return {each.field.removeprefix("spec.visualize."): each.description for each in error.violations}
    return {}


def test_all_numbers_are_documented() -> None:
    assert len(RANGES) == 17
    assert {path.rpartition(".")[0] for path in RANGES} == {path.rstrip(".") for path in PATHS.values()}


@pytest.mark.parametrize("path", RANGES)
def test_what_a_comment_allows_is_allowed_and_nothing_else(path: str) -> None:
    allowed = RANGES[path]
    for value in allowed.within:
        assert faults(spec_with(path, value)) == {}
    for value in allowed.beyond:
        found = faults(spec_with(path, value))
        assert list(found) == [path]
        told, _, given = found[path].partition(", not ")
        assert [float(bound.replace(",", "")) for bound in re.findall(r"[\d.,]*\d", told)] == [
            allowed.low,
            allowed.high,
        ]
        assert ("greater than" in told) == allowed.above
        assert math.isnan(value) or float(given.replace(",", "")) == value


def test_the_document_has_the_same_ranges() -> None:
    lines = (ROOT / "docs" / "visualization.md").read_text().splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| `")]
    told = {row[0]: row[3] for row in rows if len(row) == 4 and RANGE.search(row[3])}
    settings = {path.removeprefix("render."): allowed for path, allowed in RANGES.items() if path != "restarts"}
    assert {name: to_range(told[name], whole=settings[name].whole) for name in told} == settings
