"""Collects all that is wrong with a request instead of stopping at the first violation."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.message import Message

from convscope.service.errors import InvalidRequestError
from convscope.v1.rules import Violation

__all__ = ["Checks"]

# What separates a field in a path from the fields within it.
INSIDE: Final = re.compile(r"[.\[]")


class Checks:
    """The violations of a request: first those of rules, then those that depend on a model or on other fields.

    A field that a rule refuses must not be checked again: its value can be anything.

    Args:
        prefix: path of the message whose fields are checked here: ``spec.train``; empty for the request itself.
        violations: those of rules.
    """

    def __init__(self, prefix: str = "", violations: Iterable[Violation] = ()) -> None:
        self._prefix = prefix
        self._violations: list[Violation] = []
        self._refused: set[str] = set()
        self._affected: set[str] = set()
        for violation in violations:
            self._add(violation)

    def inside(self, path: str) -> "Checks":
        """Return checks for fields of a message within this one; they collect into the same list."""
        inner = Checks(self._path(path))
        inner._violations, inner._refused, inner._affected = self._violations, self._refused, self._affected
        return inner

    def refuse(self, field: str, description: str) -> None:
        """Add a violation of a field."""
        self._add(Violation(self._path(field), description))

    def right(self, *fields: str) -> bool:
        """Return whether these fields and all within them have no violation so far; ``""`` is the message itself."""
        return self._affected.isdisjoint(self._path(field) for field in fields)

    def refused(self, field: str) -> bool:
        """Return whether a field itself was refused, not only fields within it."""
        return self._path(field) in self._refused

    def within(self, message: Message, field: str, low: int, high: int) -> None:
        """Check that an integer field is ``low`` to ``high``, if it has no violation so far."""
        value = getattr(message, field)
        if self.right(field) and not low <= value <= high:
            self.refuse(field, f"must be {low:,} to {high:,}, not {value:,}")

    def finish(self) -> None:
        """Raise the violations, if there are any.

        Raises:
            InvalidRequestError: if there is any violation.
        """
        if self._violations:
            raise InvalidRequestError(*self._violations)

    def _path(self, field: str) -> str:
        return ".".join(filter(None, (self._prefix, field)))

    def _add(self, violation: Violation) -> None:
        self._violations.append(violation)
        self._refused.add(violation.field)
        self._affected.update(_around(violation.field))


def _around(path: str) -> Iterator[str]:
    """Yield a path and the paths of all that contain it, the request itself (``""``) first."""
    yield from ("", path)
    yield from (path[: separator.start()] for separator in INSIDE.finditer(path))
