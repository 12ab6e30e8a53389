"""Reads settings from environment variables; a wrong value is refused with the variable's name."""

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

__all__ = ["Variables", "argument", "positive"]

T = TypeVar("T")
D = TypeVar("D")

# The largest integer that a setting may have: code that reads settings has 32 bits.
LARGEST = 2**31 - 1


class Variables:
    """The variables of one environment; an empty variable counts as not set.

    Every method takes a variable's name, and most take a default for a variable that is not set. It raises ValueError
    for a wrong value, naming the variable, the value and what is allowed.

    Args:
        environment: names and values; default: the environment of this process when a variable is read.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def text(self, name: str) -> str | None:
        """Return a text."""
        return self._environment.get(name) or None

    def secret(self, name: str) -> str | None:
        """Return a text that can be sent in a header: printable ASCII; errors do not show it."""
        text = self.text(name)
        if text and not (text.isascii() and text.isprintable()):
            raise ValueError(f"{name} has other characters than printable ASCII")
        return text

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return one of the allowed texts."""
        text = self.text(name) or default
        if text not in allowed:
            raise _refused(name, text, " or ".join(allowed))
        return text

    def is_on(self, name: str) -> bool:
        """Return whether a variable is ``1``, which is on; ``0`` is off."""
        return self.choice(name, ("1", "0"), "0") == "1"

    def count(self, name: str, default: D) -> int | D:
        """Return an integer, 1 or more."""
        return self.parsed(name, positive, f"a whole number from 1 to {LARGEST}", default)

    def seconds(self, name: str, default: float, *, zero: bool = False) -> float:
        """Return a number of seconds above 0, or with ``zero`` from 0."""
        allowed = f"a number of seconds, {'0 or more' if zero else 'above 0'}"
        return self.parsed(name, lambda text: _seconds(text, zero=zero), allowed, default)

    def path(self, name: str) -> Path | None:
        """Return a path; a ``~`` at its beginning stands for the user's home."""
        try:
            return self.parsed(name, lambda text: Path(text).expanduser(), "a path", None)
        except RuntimeError:
            raise _refused(name, self.text(name), "a path, and this user is unknown") from None

    def parsed(self, name: str, parse: Callable[[str], T], allowed: str, default: D) -> T | D:
        """Return a text parsed by a function, which raises ValueError for texts that are not ``allowed``."""
        text = self.text(name)
        try:
            return default if text is None else parse(text)
        except ValueError:
            raise _refused(name, text, allowed) from None


def positive(text: str) -> int:
    """Parse an integer, 1 to ``LARGEST``.

    Raises:
        ValueError: if the text is anything else.
    """
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= LARGEST:
        raise ValueError(f"{text!r} is not a whole number from 1 to {LARGEST}")
    return int(text)


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return a type for command-line arguments, which reports the function's error messages.

    Args:
        parse: parses a text, or raises ValueError.
    """

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _seconds(text: str, *, zero: bool) -> float:
    number = float(text)
    if not (0 < number < math.inf or (zero and number == 0)):
        raise ValueError(text)
    return number


def _refused(name: str, text: str | None, allowed: str) -> ValueError:
    return ValueError(f"{name} is {text!r}; it must be {allowed}")
