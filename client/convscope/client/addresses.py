"""Addresses of servers, however people spell them."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from convscope.client.errors import InvalidValue

__all__ = ["DEFAULT_PORT", "Address", "parse_address"]

# Where a server listens unless it is told otherwise.
DEFAULT_PORT: Final = 50051

_ALLOWED: Final = "HOST:PORT, [IPV6]:PORT, https://HOST:PORT (for TLS) or unix:/PATH"
# How a plain, an encrypted and a resolved address may begin.
_PLAIN: Final = ("http://", "grpc://", "tcp://")
_ENCRYPTED: Final = ("https://", "grpcs://")
_RESOLVED: Final = ("dns:///", "dns://", "dns:", "ipv4:", "ipv6:")
# Names of hosts: those of the internet, of machines in a container network, and IPv4 addresses.
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
# Where a server listens that listens everywhere: no address to call, but it is clear what is meant.
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  read, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is.

    Attributes:
        target: As gRPC takes it: `host:port`, `[ipv6]:port`, `unix:path` or `unix-abstract:name`.
        encrypted: Whether it was spelled as one that is reached by TLS; None if that was left open.
    """

    target: str
    encrypted: bool | None = None

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return self.target.startswith(("unix:", "unix-abstract:"))

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


def parse_address(text: str) -> Address:
    """The address that a text spells.

    Spaces around it, capitals, a slash behind it and the schemes `http`, `grpc` and `dns` make no difference; `https`
    and `grpcs` ask for TLS. Without host it is this machine's, without port (and scheme) the default one.

    Raises:
        InvalidValue: It is none, or may be read in two ways; says what is allowed.
    """
    spelled = text.strip()
    if not spelled or not spelled.isprintable() or any(character.isspace() for character in spelled):
        raise _refused(text, "is empty or has spaces")
    if spelled.startswith("/"):
        return Address(target=f"unix:{spelled}")
    if spelled.lower().startswith(("unix:", "unix-abstract:")):
        return _unix(text, spelled)
    if "@" in spelled:  # not shown: it may be a password
        raise InvalidValue(f"address: names a user; a token is given as token or CONVSCOPE_TOKEN. Allowed: {_ALLOWED}")
    encrypted, rest = _scheme(text, spelled)
    if "," in rest:
        raise _refused(text, "is a list; give one server")
    host, port = _host_and_port(text, rest.lower().removesuffix("/"), needs_port=encrypted is not None)
    host = _ANYWHERE.get(host, host)
    return Address(target=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", encrypted=encrypted)


def _unix(text: str, spelled: str) -> Address:
    scheme, _, path = spelled.partition(":")
    if path.startswith("//"):
        path = path[2:]
        if not path.startswith("/"):
            raise _refused(text, "names a host; a unix socket has a path: unix:/PATH")
    if not path:
        raise _refused(text, "names no path")
    return Address(target=f"{scheme.lower()}:{path}")


def _scheme(text: str, spelled: str) -> tuple[bool | None, str]:
    """Whether the address asks for TLS, and what follows its scheme."""
    lowered = spelled.lower()
    for schemes, encrypted in ((_PLAIN, False), (_ENCRYPTED, True), (_RESOLVED, None)):
        for scheme in schemes:
            if lowered.startswith(scheme):
                return encrypted, spelled[len(scheme) :]
    if "://" in spelled:
        raise _refused(text, "has a scheme that is none of http, https, grpc, grpcs, dns and unix")
    return None, spelled


def _host_and_port(text: str, rest: str, *, needs_port: bool) -> tuple[str, int]:
    if "/" in rest or "?" in rest or "#" in rest:
        raise _refused(text, "has something behind the port")
    if rest.isdecimal():
        return "localhost", _port(text, rest)
    if rest.startswith("[") or rest.count(":") > 1:
        host, port = _ipv6(text, rest)
    else:
        host, _, port = rest.partition(":")
        host = host or "localhost"
        if not _HOST.fullmatch(host):
            raise _refused(text, "names no host")
    if not port and (needs_port or rest.endswith(":")):
        raise _refused(text, "names no port")
    return host, _port(text, port) if port else DEFAULT_PORT


def _ipv6(text: str, rest: str) -> tuple[str, str]:
    host, port = rest, ""
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _refused(text, "has brackets that do not match")
        port = port[1:]
    elif re.fullmatch(r"[0-9]{4,}", rest.rpartition(":")[2]):
        raise _refused(text, "may be an address with a port or without; put the address in brackets: [::1]:50051")
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise _refused(text, "is no IPv6 address") from None
    return host, port


def _port(text: str, port: str) -> int:
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65_535):
        raise _refused(text, "has a port that is not 1 to 65535")
    return int(port)


def _refused(text: str, why: str) -> InvalidValue:
    return InvalidValue(f"address: {text!r} {why}. Allowed: {_ALLOWED}")
