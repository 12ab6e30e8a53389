"""What is wrong with one request, collected instead of stopping at the first fault."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.message import Message

from convscope.service.errors import InvalidRequestError
from convscope.v1.rules import Violation

__all__ = ["Checks"]

# What separates a field in a path from what is in it.
INSIDE: Final = re.compile(r"[.\[]")


class Checks:
    """The faults of a request, those that break a rule first, then those that depend on a model or on other fields.

    What a rule refuses is not to be looked at again: its value can be anything.

    Args:
        prefix: path of the message whose fields are checked here: ``spec.train``; empty for the request itself.
        faults: those that are known already.
    """

    def __init__(self, prefix: str = "", faults: Iterable[Violation] = ()) -> None:
        self._prefix = prefix
        self._found: list[Violation] = []
        self._refused: set[str] = set()
        self._spoilt: set[str] = set()
        for fault in faults:
            self._add(fault)

    def inside(self, path: str) -> "Checks":
        """Return checks for fields of a message within this one; they collect into the same list."""
        inner = Checks(self._path(path))
        inner._found, inner._refused, inner._spoilt = self._found, self._refused, self._spoilt
        return inner

    def refuse(self, field: str, description: str) -> None:
        """Note that a field cannot be right."""
        self._add(Violation(self._path(field), description))

    def right(self, *fields: str) -> bool:
        """Return whether nothing is wrong so far with these fields and what is in them; "" is the message itself."""
        return self._spoilt.isdisjoint(self._path(field) for field in fields)

    def refused(self, field: str) -> bool:
        """Return whether a field itself was refused, whatever is wrong within it."""
        return self._path(field) in self._refused

    def within(self, message: Message, field: str, low: int, high: int) -> None:
        """Check the range of a whole number, if it is right so far."""
        value = getattr(message, field)
        if self.right(field) and not low <= value <= high:
            self.refuse(field, f"must be {low:,} to {high:,}, not {value:,}")

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            InvalidRequestError: if there is any violation.
        """
        if self._found:
            raise InvalidRequestError(*self._found)

    def _path(self, field: str) -> str:
        return ".".join(filter(None, (self._prefix, field)))

    def _add(self, violation: Violation) -> None:
        self._found.append(violation)
        self._refused.add(violation.field)
        self._spoilt.update(_around(violation.field))


def _around(path: str) -> Iterator[str]:
    """Yield a path and those of all that it is in; the request itself is empty."""
    yield from ("", path)
    yield from (path[: separator.start()] for separator in INSIDE.finditer(path))
