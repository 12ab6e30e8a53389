"""URLs of Redis and of the artifact store: shown without secrets, and refused if they cannot work."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import redis

__all__ = ["redact", "redact_text", "require_artifacts_url", "require_redis_url"]

REDIS_VARIABLE: Final = "CONVSCOPE_REDIS_URL"
ARTIFACTS_VARIABLE: Final = "CONVSCOPE_ARTIFACTS_URL"

# Shown in place of a secret.
HIDDEN: Final = "***"
# Values after a question mark: any of them may be a signature or key, and none helps to correct an address.
_VALUES: Final = re.compile(r"([?&;])(?:([^=&;]*)=)?[^&;]*")
# A host with or without port. Anything else may be a user and a password whose @HOST is missing.
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(:\d{0,5})?")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")

# Names of buckets and containers.
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# Options of redis-py that do not change replies; TLS has further ones, which begin with ssl_.
_OPTIONS: Final = {
    "db",
    "username",
    "password",
    "client_name",
    "health_check_interval",
    "socket_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
}
_FILES: Final = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_REDIS_FORMS: Final = (
    "redis://HOST:PORT/DATABASE, rediss://... for TLS, or unix:///PATH?db=DATABASE, with a port from 1 to 65535, a "
    "database that is a number, and USER:PASSWORD@ before the host, percent-encoded"
)
_ARTIFACTS_FORMS: Final = (
    "file:///PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX; keys and options come from the "
    "environment, such as AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
)


def redact(url: str) -> str:
    """Return a URL with everything hidden that may be a secret, however the URL is mistyped.

    Args:
        url: a URL, or a text given as one.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        before, at, after = url.rpartition("@")
        if at and before:
            return f"{HIDDEN}@{_place(after)}"
        name, colon, _ = url.partition(":")
        return f"{name}:{HIDDEN}" if colon else _tail(url)
    before, at, after = rest.rpartition("@")  # a password may hold anything, another @ included
    hidden = f"{HIDDEN}@" if at and before else ""
    return f"{scheme}://{hidden}{_place(after if hidden else rest)}"


def redact_text(text: str) -> str:
    """Return a text of another program with its URLs redacted."""
    return _URL.sub(lambda match: redact(match[0]), text)


def _place(rest: str) -> str:
    """Return host, port and path without secrets."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not _AUTHORITY.fullmatch(authority):
        return f"{authority.partition(':')[0]}:{HIDDEN}" if not authority.startswith("[") else HIDDEN
    return authority + _tail(rest[len(authority) :])


def _tail(text: str) -> str:
    address, mark, fragment = text.partition("#")
    path, question, query = address.partition("?")
    values = _VALUES.sub(
        lambda match: f"{match[1]}{match[2]}={HIDDEN}" if match[2] else f"{match[1]}{HIDDEN}", "?" + query
    )
    return path + (values if question else "") + (f"#{HIDDEN}" if mark and fragment else mark)


def require_redis_url(url: str) -> None:
    """Refuse a URL that redis-py would refuse at the first connection, or misread.

    Raises:
        ValueError: naming the variable, what is wrong and what is allowed.
    """
    _require_scheme(REDIS_VARIABLE, url, ("redis", "rediss", "unix"))
    if fault := _redis_fault(url):
        raise ValueError(f"{REDIS_VARIABLE} is {redact(url)!r}, {fault}; it must be {_REDIS_FORMS}")


def require_artifacts_url(url: str) -> None:
    """Refuse a URL that the library of object stores would refuse, ignore in part, or misread.

    Raises:
        ValueError: naming the variable, what is wrong and what is allowed.
    """
    _require_scheme(ARTIFACTS_VARIABLE, url, ("file", "s3", "gs", "az"))
    if fault := _artifacts_fault(url):
        raise ValueError(f"{ARTIFACTS_VARIABLE} is {redact(url)!r}, {fault}; it must be {_ARTIFACTS_FORMS}")


def _require_scheme(variable: str, url: str, allowed: tuple[str, ...]) -> None:
    if url.partition("://")[0] not in allowed or "://" not in url:
        schemes = ", ".join(f"{scheme}://" for scheme in allowed)
        raise ValueError(f"{variable} is {redact(url)!r}; it must start with one of {schemes}")


def _redis_fault(url: str) -> str:
    """Return what is wrong with a URL of Redis; ``""`` if nothing is."""
    try:
        parts = urlsplit(url)
        port, host, path = parts.port, parts.hostname, unquote(parts.path)
    except ValueError:
        return "where host or port cannot be read"
    if re.search(r"[\s,]", parts.netloc.rpartition("@")[2]):
        return "where the host has a space or is a list"
    if parts.fragment:
        return "which has a #"
    if parts.scheme == "unix":
        fault = "" if path.startswith("/") and not host else "which has no path, or a host"
    elif port == 0:
        fault = "where the port is 0"
    else:
        database = path.strip("/")
        fault = "" if not database or _is_number(database) else "where the database is not a number"
    return fault or _options_fault(parts.query, tls=parts.scheme == "rediss") or _library_fault(url)


def _options_fault(query: str, *, tls: bool) -> str:
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        return "where what follows the ? is not NAME=VALUE"
    for name, value in options.items():
        if name not in _OPTIONS and not (tls and name.startswith("ssl_")):
            allowed = ", ".join(sorted(_OPTIONS))
            return f"where the option {name!r} is none of {allowed}, and ssl_... for rediss://"
        if name == "db" and not _is_number(value):
            return "where the option db is not a number"
        if name in _FILES and not Path(value).is_file():
            return f"where the option {name} does not name a file"
    return ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _library_fault(url: str) -> str:
    try:
        redis.ConnectionPool.from_url(url).make_connection()  # which connects later
    except (ValueError, TypeError, redis.RedisError) as error:
        named = re.search(r"Invalid value for '(\w+)'", str(error))
        return f"where the option {named[1]} has a wrong value" if named else "where an option is wrong"
    return ""


def _artifacts_fault(url: str) -> str:
    """Return what is wrong with a URL of an artifact store; ``""`` if nothing is."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "which has a user or key before the @"
    try:
        parts = urlsplit(url)
    except ValueError:
        return "which cannot be read"
    if parts.query or parts.fragment:
        return "which has options behind a ? or #"
    if parts.scheme == "file":
        return "" if parts.path.startswith("/") and not parts.netloc else "which has no absolute path"
    return "" if _BUCKET.fullmatch(parts.netloc) else "which names no bucket"
