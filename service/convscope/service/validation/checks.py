"""Checks of single fields that collect what is wrong instead of stopping at the first fault."""

from dataclasses import dataclass

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message

from convscope.service.errors import InvalidRequestError, Violation

__all__ = ["Checks", "Limits", "exact"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A range of real numbers; ``above`` leaves its lower end out."""

    low: float
    high: float
    above: bool = False

    def allow(self, value: float) -> bool:
        """Return whether a value is in the range."""
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        if self.above:
            return f"greater than {_spelled(self.low)} and at most {_spelled(self.high)}"
        return f"{_spelled(self.low)} to {_spelled(self.high)}"


def _spelled(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def exact(value: float) -> str:
    """Return a number in as few digits as tell it from all others: 0.5000001 is not 0.5."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


class Checks:
    """The violations found so far in one request.

    A field's path is the prefix given here and the field's name: ``spec.train`` and ``seed``.
    """

    def __init__(self, prefix: str, found: list[Violation] | None = None) -> None:
        self._prefix = prefix
        self._found = [] if found is None else found

    @property
    def count(self) -> int:
        """Number of violations found so far in the whole request."""
        return len(self._found)

    def inside(self, path: str) -> "Checks":
        """Return checks for fields of a message within this one; they collect into the same list."""
        return Checks(f"{self._prefix}.{path}", self._found)

    def refuse(self, field: str, description: str) -> None:
        """Note that a field cannot be right."""
        self._found.append(Violation(f"{self._prefix}.{field}" if field else self._prefix, description))

    def number(self, message: Message, field: str, low: int, high: int, *, default: int | None = None) -> None:
        """Check a whole number's range, after filling in its default where it has one and is not set."""
        if default is not None and not message.HasField(field):
            setattr(message, field, default)
        value = getattr(message, field)
        if not low <= value <= high:
            self.refuse(field, f"must be {low:,} to {high:,}, not {value:,}")

    def real(self, message: Message, field: str, limits: "Limits") -> None:
        """Check a real number's range, which NaN is not in."""
        value = getattr(message, field)
        if not limits.allow(value):
            self.refuse(field, f"must be {limits}, not {exact(value)}")

    def choice(self, message: Message, field: str, kind: EnumDescriptor, *, default: int) -> None:
        """Check that an enum has a known value, after filling in its default where it is not set."""
        value = getattr(message, field)
        if value == 0:
            setattr(message, field, default)
        elif value not in kind.values_by_number:
            names = ", ".join(each.name for each in kind.values if each.number != 0)
            self.refuse(field, f"has the unknown value {value}; allowed: {names}")

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            InvalidRequestError: if there is any violation.
        """
        if self._found:
            raise InvalidRequestError(*self._found)
