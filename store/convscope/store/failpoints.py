"""Named points in the code where tests inject faults; off unless ``CONVSCOPE_FAILPOINTS`` names them.

After etcd's gofail. The variable holds ``point=terms`` pairs, separated by ``;``. Terms are separated by ``->``: each
applies until its count is used up, then the next one. A term is an action, with an optional chance and an optional
count before it::

    collect.before_delete=10%sleep(100);executor.after_checkpoint=2*off->1*kill;clock=return(3600)

=============== ====================================================================================================
action          what happens at the point
=============== ====================================================================================================
``off``         nothing
``sleep(MS)``   the thread sleeps for this many milliseconds
``error``       FailpointError is raised; ``error(KIND)``: ``redis``, ``timeout``, ``blob``, ``os`` or ``memory``
``exit``        the process ends with exit code 1; ``exit(CODE)``
``kill``        the process kills itself with SIGKILL
``stop``        the process stops itself with SIGSTOP
``hang``        the thread never continues; ``hang(gil)``: nor does any other Python thread
``return(TEXT)`` ``value()`` returns this text; other points ignore it
=============== ====================================================================================================

Counts are per process: a forked process continues with those of its parent.
"""

import contextlib
import ctypes
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import redis

from convscope.store.environment import Variables
from convscope.store.errors import BlobError

__all__ = ["POINTS", "VARIABLE", "FailpointError", "Term", "active", "failpoint", "parse", "value"]

# The environment variable, read once when this module is imported.
VARIABLE: Final = "CONVSCOPE_FAILPOINTS"

# All points, and where they are.
POINTS: Final[Mapping[str, str]] = {
    "blobs.after_put": "a blob is stored, and nothing refers to it yet",
    "claim.before": "a part is about to be claimed",
    "claim.after": "a part is claimed, and nothing is written yet",
    "attempt.before_end": "an attempt's last write is about to be sent",
    "attempt.after_end": "an attempt has ended, and its process does not act on that yet",
    "collect.before_delete": "blobs are condemned, and not deleted yet",
    "collect.after_delete": "condemned blobs are deleted, and not struck off yet",
    "executor.before_checkpoint": "a state of training is about to be stored",
    "executor.after_checkpoint": "a checkpoint is stored and referred to",
    "executor.before_release": "a part is about to be given back",
    "executor.pulse": "a computation asks whether it is to stop",
    "reconcile.before_repair": "an attempt was found to be late, and its part is not given back yet",
    "clock": "value: seconds by which this process's clock is ahead",
    "sweep.period": "value: seconds between two sweeps",
    "sweep.spared": "value: seconds for which a blob may wait for its first reference",
    "sweep.retention": "value: seconds for which ended jobs are kept",
}

ACTIONS: Final = ("off", "sleep", "error", "exit", "kill", "stop", "hang", "return")

TERM = re.compile(
    r"(?:(?P<chance>\d+(?:\.\d+)?)%)?(?:(?P<count>\d+)\*)?(?P<action>[a-z]+)(?:\((?P<argument>[^()]*)\))?"
)


class FailpointError(RuntimeError):
    """What ``error`` raises."""


ERRORS: Final[Mapping[str, type[Exception]]] = {
    "": FailpointError,
    "redis": redis.ConnectionError,
    "timeout": redis.TimeoutError,
    "blob": BlobError,
    "os": OSError,
    "memory": MemoryError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What happens at a point.

    Attributes:
        action: one of ACTIONS.
        argument: what stands in parentheses, or ``""``.
        chance: how likely it happens when the point is reached, in percent, 0 to 100.
        count: how often it happens at most; None: no limit.
    """

    action: str
    argument: str = ""
    chance: float = 100.0
    count: int | None = None

    def __str__(self) -> str:
        """Return what ``parse`` reads."""
        chance = f"{self.chance:.12f}".rstrip("0").rstrip(".") + "%" if self.chance != 100 else ""
        count = f"{self.count}*" if self.count is not None else ""
        return f"{chance}{count}{self.action}{f'({self.argument})' if self.argument else ''}"


def parse(text: str) -> dict[str, list[Term]]:
    """Parse the variable's value.

    Raises:
        ValueError: if it is malformed or names a point that does not exist, naming the variable.
    """
    points: dict[str, list[Term]] = {}
    for pair in filter(None, (pair.strip() for pair in text.split(";"))):
        name, equals, terms = pair.partition("=")
        if not equals or name not in POINTS:
            raise ValueError(f"{VARIABLE} has {pair!r}; it must be POINT=TERMS, with POINT one of {', '.join(POINTS)}")
        if name in points:
            raise ValueError(f"{VARIABLE} has {name} twice")
        points[name] = [_term(term) for term in terms.split("->")]
    return points


def _term(text: str) -> Term:
    matched = TERM.fullmatch(text.strip())
    if not matched or matched["action"] not in ACTIONS:
        raise ValueError(
            f"{VARIABLE} has the term {text!r}; it must be [CHANCE%][COUNT*]ACTION[(ARGUMENT)], with ACTION "
            f"one of {', '.join(ACTIONS)}"
        )
    chance = float(matched["chance"] or 100)
    if chance > 100:
        raise ValueError(f"{VARIABLE} has the term {text!r}; a chance is at most 100%")
    argument = matched["argument"] or ""
    if not _allows(matched["action"], argument):
        raise ValueError(f"{VARIABLE} has the term {text!r}; {matched['action']} takes {ARGUMENTS[matched['action']]}")
    count = int(matched["count"]) if matched["count"] is not None else None
    return Term(action=matched["action"], argument=argument, chance=chance, count=count)


ARGUMENTS: Final[Mapping[str, str]] = {
    "off": "no argument",
    "sleep": "milliseconds, such as sleep(100)",
    "error": f"one of {', '.join(filter(None, ERRORS))}, or none",
    "exit": "an exit code from 0 to 255, or none",
    "kill": "no argument",
    "stop": "no argument",
    "hang": "gil, or none",
    "return": "the text to return",
}


def _allows(action: str, argument: str) -> bool:
    match action:
        case "sleep":
            return re.fullmatch(r"[0-9]{1,9}", argument) is not None
        case "error":
            return argument in ERRORS
        case "exit":
            return re.fullmatch(r"[0-9]{0,3}", argument) is not None and int(argument or 1) <= 255
        case "hang":
            return argument in {"", "gil"}
        case "return":
            return True
    return not argument


class _Point:
    """A point that is on."""

    def __init__(self, terms: list[Term], rng: random.Random) -> None:
        self._terms = [(term, term.count) for term in terms]
        self._rng = rng
        self._lock = threading.Lock()

    def next(self) -> Term | None:
        """Return the term that applies this time, if any."""
        with self._lock:
            while self._terms:
                term, left = self._terms[0]
                if left == 0:
                    del self._terms[0]
                    continue
                if self._rng.uniform(0, 100) >= term.chance:
                    return None
                self._terms[0] = (term, left - 1 if left is not None else None)
                return term
        return None


def _points(text: str, rng: random.Random) -> dict[str, _Point]:
    return {name: _Point(terms, rng) for name, terms in parse(text).items()}


def _of_environment() -> dict[str, _Point]:
    try:
        return _points(Variables().text(VARIABLE) or "", random.Random())  # noqa: S311 - no secret
    except ValueError:
        return {}  # StoreSettings refuses it


_active: dict[str, _Point] = _of_environment()


def failpoint(name: str) -> None:
    """Do what is set for a point; nothing, unless a test sets it.

    Args:
        name: one of POINTS.

    Raises:
        FailpointError: for ``error``; another error for ``error(KIND)``.
    """
    if _active and (point := _active.get(name)) and (term := point.next()):
        HANDLERS[term.action](term.argument, name)


def value(name: str, default: str) -> str:
    """Return the text that ``return(TEXT)`` sets for a point, or the default.

    Args:
        name: one of POINTS.
        default: the value unless a test sets it.
    """
    if _active and (point := _active.get(name)) and (term := point.next()) and term.action == "return":
        return term.argument
    return default


@contextlib.contextmanager
def active(text: str, rng: random.Random | None = None) -> Iterator[None]:
    """Set points of this process within a ``with`` block, in addition to those that are set already.

    Args:
        text: points and terms, as in the variable.
        rng: draws the chances; default: a new one.

    Raises:
        ValueError: if the text is malformed.
    """
    global _active  # noqa: PLW0603 - what the environment sets is global, too
    before, _active = _active, {**_active, **_points(text, rng or random.Random())}  # noqa: S311 - no secret
    try:
        yield
    finally:
        _active = before


def _sleep(argument: str, name: str) -> None:
    time.sleep(int(argument) / 1000)


def _error(argument: str, name: str) -> None:
    raise ERRORS[argument](f"failpoint {name}")


def _exit(argument: str, name: str) -> None:
    os._exit(int(argument or 1))


def _kill(argument: str, name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(argument: str, name: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _hang(argument: str, name: str) -> None:
    if argument:
        # A thread that locks a mutex twice waits forever, whatever signals arrive; PyDLL keeps the GIL.
        mutex = ctypes.create_string_buffer(128)
        for _ in range(2):
            ctypes.PyDLL(None).pthread_mutex_lock(mutex)
    while True:
        threading.Event().wait()


def _nothing(argument: str, name: str) -> None:
    pass


HANDLERS: Final[Mapping[str, Callable[[str, str], None]]] = {
    "off": _nothing,
    "sleep": _sleep,
    "error": _error,
    "exit": _exit,
    "kill": _kill,
    "stop": _stop,
    "hang": _hang,
    "return": _nothing,
}
