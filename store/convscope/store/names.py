"""Resource names.

``jobs/{id}``, ``models/{id}``, ``datasets/{id}``, ``jobs/{id}/images/{number}``, ``jobs/{id}/files/{file}``.
"""

import re
import secrets
from urllib.parse import quote, unquote

from convscope.store.clock import now_ns

__all__ = ["file_name", "image_name", "new_id", "parse_file_name", "parse_image_name", "parse_name"]

# Crockford's base 32 in lower case: sorts like the number, and has no letters that look alike.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

# Microseconds since 1970 in eleven digits of five bits last until the year 3111.
TIME_DIGITS = 11

# 25 random bits: ids generated in one microsecond by several services do not collide.
RANDOM_DIGITS = 5

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

# An image has one name: its number has no leading zeros.
IMAGE_PATTERN = re.compile(r"(jobs/[^/]*)/images/(0|[1-9][0-9]{0,17})")

# A file's name within its resource name: percent-escaped.
FILE_PATTERN = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-Fa-f]{2}){1,255}")


def new_id(microseconds: int | None = None) -> str:
    """Return a unique id that sorts by its time of creation: 16 lower-case letters and digits.

    Args:
        microseconds: the time, since 1970: by the clock of Redis to order ids of several machines; default: by the
            clock of this machine.
    """
    microseconds = now_ns() // 1_000 if microseconds is None else microseconds
    return _digits(microseconds, TIME_DIGITS) + _digits(secrets.randbits(5 * RANDOM_DIGITS), RANDOM_DIGITS)


def parse_name(collection: str, name: str) -> str:
    """Return the id in ``{collection}/{id}``.

    Raises:
        ValueError: if the name has another form.
    """
    prefix, slash, identifier = name.partition("/")
    if prefix != collection or not slash or not ID_PATTERN.fullmatch(identifier):
        raise ValueError(f"{name!r} is not of the form {collection}/ID (ID: lower-case letters, digits, '-' and '_')")
    return identifier


def image_name(job_id: str, number: int) -> str:
    """Return the name of an image of a job."""
    return f"jobs/{job_id}/images/{number}"


def parse_image_name(name: str) -> tuple[str, int]:
    """Return the job's name and the image's number in ``jobs/{id}/images/{number}``.

    Raises:
        ValueError: if the name has another form.
    """
    parts = IMAGE_PATTERN.fullmatch(name)
    if parts is None:
        raise ValueError(f"{name!r} is not of the form jobs/ID/images/NUMBER (NUMBER: from 0)")
    parse_name("jobs", parts[1])
    return parts[1], int(parts[2])


def file_name(job_name: str, file: str) -> str:
    """Return the resource name of a file of a job."""
    return f"{job_name}/files/{quote(file, safe='')}"


def parse_file_name(name: str) -> tuple[str, str]:
    """Return the job's name and the file's name in ``jobs/{id}/files/{file}``.

    Raises:
        ValueError: if the name has another form.
    """
    job, _, file = name.partition("/files/")
    parse_name("jobs", job)
    if not FILE_PATTERN.fullmatch(file):
        raise ValueError(f"{name!r} is not of the form jobs/ID/files/FILE (FILE: percent-escaped)")
    return job, unquote(file)


def _digits(number: int, count: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(count)))
