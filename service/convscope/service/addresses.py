"""Addresses to listen on, as users write them."""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from typing import Final

__all__ = ["ListenAddress", "parse_listen"]

ALLOWED: Final = "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 takes any free one"
HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
# What ends in a number is an IPv4 address; one that begins with 0 is octal to some and decimal to others.
NUMERIC: Final = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)", re.ASCII)
OCTAL: Final = re.compile(r"(^|\.)0\d")
# Bytes that the path of a unix socket may have, as the kernel has it.
MAX_PATH: Final = 107


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where the service listens.

    Attributes:
        target: as gRPC takes it: ``host:port``, ``[ipv6]:port``, ``unix:path`` or ``unix-abstract:name``.
        is_local: whether only this machine can connect.
    """

    target: str
    is_local: bool


def parse_listen(text: str) -> ListenAddress:
    """Parse an address; capitals and surrounding spaces make no difference.

    Raises:
        ValueError: if the text is not an address, or is ambiguous; says what is allowed.
    """
    stripped = text.strip()
    scheme, _, path = stripped.partition(":")
    if scheme.lower() in {"unix", "unix-abstract"}:
        return ListenAddress(target=_unix(text, scheme.lower(), path), is_local=True)
    if "/" in stripped or "@" in stripped or "," in stripped:
        raise _refused(text, "is not an address to listen on: it has a scheme, a path, a user, or is a list")
    host, _, port = stripped.lower().rpartition(":")
    if stripped.startswith(":") and not host:
        host = "[::]"  # as it is written for many servers: every address of this machine
    if not host:
        raise _refused(text, "names no host and port: localhost:PORT for this machine, 0.0.0.0:PORT for all others too")
    if not (re.fullmatch("0*[0-9]{1,5}", port) and int(port[-5:]) <= 65_535):
        raise _refused(text, "has a port that is not 0 to 65535")
    host = _numeric(text, host)
    return ListenAddress(target=f"{host}:{int(port[-5:])}", is_local=_is_loopback(text, host))


def _unix(text: str, scheme: str, path: str) -> str:
    if path.startswith("@"):  # as many tools show the names of abstract sockets
        scheme, path = "unix-abstract", path[1:]
    if scheme == "unix" and path.startswith("///"):
        path = "/" + path.lstrip("/")
    path = os.path.expanduser(path)  # noqa: PTH111 - a text, which is not to be normalized
    if not path or path.startswith("//") or path.endswith("/") or not path.isprintable():
        raise _refused(text, "names no path")
    if "?" in path or "#" in path:
        raise _refused(text, "has a path with ? or #, which gRPC's clients cut off")
    if len(os.fsencode(path)) > MAX_PATH:
        raise _refused(text, f"has a path of {len(os.fsencode(path))} bytes; a unix socket's has at most {MAX_PATH}")
    return f"{scheme}:{path}"


def _numeric(text: str, host: str) -> str:
    """Return a host that is a short form of an IPv4 address, such as 127.1, in its long form."""
    if not NUMERIC.fullmatch(host):
        return host
    if OCTAL.search(host):
        raise _refused(text, "has a number that begins with 0")
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        raise _refused(text, "is not an IPv4 address") from None


def _is_loopback(text: str, host: str) -> bool:
    """Return whether only this machine can reach a host name or address."""
    in_brackets = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if in_brackets else host)
    except ValueError:
        if in_brackets or not HOST.fullmatch(host):
            raise _refused(text, "does not name a host; IPv6 addresses are in brackets") from None
        return host == "localhost"
    if (address.version == 6) != in_brackets:
        raise _refused(text, "has an IPv6 address without brackets, or brackets without one")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _refused(text: str, why: str) -> ValueError:
    shown = "***@" + text.rpartition("@")[2] if "@" in text else text
    return ValueError(f"CONVSCOPE_LISTEN (--listen) is {shown!r}, which {why}. Allowed: {ALLOWED}")
