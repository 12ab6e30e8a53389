"""Addresses of servers, in the many forms that people write."""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from convscope.client.errors import InvalidType, InvalidValue

__all__ = ["Address", "parse_address"]

# The port where a server listens by default.
_DEFAULT_PORT: Final = 50051

_ALLOWED: Final = "HOST:PORT, [IPV6]:PORT, https://HOST:PORT (for TLS) or unix:/PATH"
# How a plain, an encrypted and a resolved address may begin.
_PLAIN: Final = ("http://", "grpc://", "tcp://")
_ENCRYPTED: Final = ("https://", "grpcs://")
_RESOLVED: Final = ("dns:///", "dns://", "dns:", "ipv4:", "ipv6:")
_UNIX: Final = ("unix:", "unix-abstract:")
# Names of hosts: those of the internet, of machines in a container network, and IPv4 addresses.
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
# What ends in a number is read as an IPv4 address, as browsers do: 127.1 is one, too.
_NUMERIC: Final = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")
# A number with a zero before it is octal to some and decimal to others.
_OCTAL: Final = re.compile(r"(^|\.)0\d")
# Addresses of a server that listens everywhere, and where to reach it on this machine.
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  read, not bound
# Bytes that the path of a unix socket may have in the kernel.
_MAX_PATH: Final = 107


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is.

    Attributes:
        target: As gRPC takes it: ``host:port``, ``[ipv6]:port``, ``unix:path`` or ``unix-abstract:name``.
        encrypted: Whether it was written as one with TLS; None if that was left open.
    """

    target: str
    encrypted: bool | None = None

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return self.target.startswith(_UNIX)

    @property
    def uri(self) -> str:
        """The target as a URI, which gRPC cannot take for anything else."""
        if self.is_unix:  # percent signs stay: the server reads its path in the same way
            return quote(self.target, safe="/:%~@!$&'()*+,;=[] ")
        return "dns:///" + self.target.replace("%", "%25")

    @property
    def is_local(self) -> bool:
        """Whether what is sent to it stays on this machine."""
        host = self.target.rpartition(":")[0].strip("[]").removesuffix(".")
        if self.is_unix or host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def parse_address(text: str, *, setting: str = "address") -> Address:
    """Return the address that a text means.

    Spaces around it, capitals, a slash behind it and the schemes ``http``, ``grpc`` and ``dns`` make no difference;
    ``https`` and ``grpcs`` ask for TLS. Without a host it is this machine's.

    Args:
        text: The address.
        setting: The argument or variable that it is the value of, for error messages.

    Raises:
        InvalidValue: It is not an address, or is ambiguous; the text says what is allowed.
        InvalidType: It is not a string.
    """
    if not isinstance(text, str):
        raise InvalidType(f"{setting}: {text!r} is not text. Allowed: {_ALLOWED}")
    try:
        return _parsed(text.strip())
    except _FaultError as fault:
        raise InvalidValue(f"{setting}: {_without_secrets(text)}{fault}. Allowed: {_ALLOWED}") from None


class _FaultError(ValueError):
    """Why a text is not an address."""


def _without_secrets(text: str) -> str:
    """Return an address without what may be a password or key."""
    if "@" in text and not text.strip().lower().startswith(_UNIX):
        return ""
    address, mark, _ = text.partition("?")
    return f"{address + '?...' if mark else address!r} "


def _parsed(text: str) -> Address:
    if text.lower().startswith(_UNIX):
        return _unix(*text.split(":", 1))
    if text.startswith(("/", "~/")):
        return _unix("unix", text)
    if "@" in text:
        raise _FaultError("names a user; a token is given as token or CONVSCOPE_TOKEN")
    if not _is_one_word(text):
        raise _FaultError("is empty or has spaces")
    encrypted, rest = _scheme(text)
    if "," in rest:
        raise _FaultError("is a list; give one server")
    host, port = _host_and_port(rest.lower().removesuffix("/"))
    host = _ANYWHERE.get(host, host)
    return Address(target=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", encrypted=encrypted)


def _is_one_word(text: str) -> bool:
    return bool(text) and text.isprintable() and not any(character.isspace() for character in text)


def _unix(scheme: str, path: str) -> Address:
    scheme = scheme.lower()
    if path.startswith("//") and not path.startswith("///"):
        raise _FaultError("names a host; a unix socket has a path")
    if path.startswith("@"):  # as many tools show the names of abstract sockets
        scheme, path = "unix-abstract", path[1:]
    path = _file(path) if scheme == "unix" else path.removeprefix("//")
    if not path or not path.isprintable():
        raise _FaultError("names no path")
    if len(os.fsencode(path)) > _MAX_PATH:
        raise _FaultError(f"has a path of {len(os.fsencode(path))} bytes, and a unix socket's has at most {_MAX_PATH}")
    return Address(target=f"{scheme}:{path}")


def _file(path: str) -> str:
    return os.path.expanduser(re.sub("^/+", "/", path)).rstrip("/")  # noqa: PTH111  a text, not to be normalized


def _scheme(address: str) -> tuple[bool | None, str]:
    """Return whether the address asks for TLS, and what follows its scheme."""
    lowered = address.lower()
    if re.fullmatch(r"dns:\d+/?", lowered):  # a host of that name
        return None, address
    for schemes, encrypted in ((_PLAIN, False), (_ENCRYPTED, True), (_RESOLVED, None)):
        for scheme in schemes:
            if lowered.startswith(scheme):
                return encrypted, address[len(scheme) :]
    if "://" in address:
        raise _FaultError("has a scheme that is none of http, https, grpc, grpcs, dns and unix")
    return None, address


def _host_and_port(rest: str) -> tuple[str, int]:
    if "/" in rest or "?" in rest or "#" in rest:
        raise _FaultError("has something behind the port")
    if rest.isdecimal():
        return "localhost", _port(rest)
    if rest.startswith("[") or rest.count(":") > 1:
        host, port = _ipv6(rest)
    else:
        host, _, port = rest.partition(":")
        host = _ipv4_or_name(host or "localhost")
    if not port:  # not guessed: an error about another port would mislead
        raise _FaultError(f"is neither HOST:PORT nor unix:/PATH: it names no port, which is {_DEFAULT_PORT} by default")
    return host, _port(port)


def _ipv4_or_name(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise _FaultError("names no host")
    if not _NUMERIC.fullmatch(host):
        return host
    if _OCTAL.search(host):
        raise _FaultError("has a number that begins with 0")
    try:
        return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except OSError:
        raise _FaultError("is not an IPv4 address") from None


def _ipv6(rest: str) -> tuple[str, str]:
    host, port = rest, ""
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _FaultError("has brackets that do not match")
        port = port[1:]
    elif re.fullmatch(r"[0-9]{4,}", rest.rpartition(":")[2]):
        raise _FaultError("may be an address with a port or without; put the address in brackets: [::1]:50051")
    host = host.replace("%25", "%")
    try:
        return "::" if ipaddress.IPv6Address(host).is_unspecified else host, port
    except ValueError:
        raise _FaultError("is not an IPv6 address") from None


def _port(port: str) -> int:
    if not (re.fullmatch("0*[0-9]{1,5}", port) and 1 <= int(port[-5:]) <= 65_535):
        raise _FaultError("has a port that is not 1 to 65535")
    return int(port[-5:])
