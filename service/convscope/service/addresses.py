"""Addresses to listen on, as people spell them."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["ListenAddress", "parse_listen"]

ALLOWED: Final = "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 takes any free one"
HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


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
    """Return the address that a text spells; capitals and spaces around it make no difference.

    Raises:
        ValueError: if it is none, or may be read in two ways; says what is allowed.
    """
    spelled = text.strip()
    scheme, _, path = spelled.partition(":")
    if scheme.lower() in {"unix", "unix-abstract"}:
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or path.startswith("//"):
            raise _refused(text, "names no path")
        return ListenAddress(target=f"{scheme.lower()}:{path}", is_local=True)
    if "/" in spelled or "@" in spelled or "," in spelled:
        raise _refused(text, "is no address to listen on: it has a scheme, a path, a user, or is a list")
    host, _, port = spelled.lower().rpartition(":")
    if not host:
        raise _refused(text, "names no host and port: localhost:PORT for this machine, 0.0.0.0:PORT for all others too")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise _refused(text, "has a port that is not 0 to 65535")
    return ListenAddress(target=f"{host}:{int(port)}", is_local=_is_loopback(text, host))


def _is_loopback(text: str, host: str) -> bool:
    """Whether a host name or address is this machine's alone."""
    in_brackets = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if in_brackets else host)
    except ValueError:
        if in_brackets or not HOST.fullmatch(host):
            raise _refused(text, "names no host; IPv6 addresses are in brackets") from None
        return host == "localhost"
    if (address.version == 6) != in_brackets:
        raise _refused(text, "has an IPv6 address without brackets, or brackets without one")
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _refused(text: str, why: str) -> ValueError:
    shown = "***@" + text.rpartition("@")[2] if "@" in text else text
    return ValueError(f"CONVSCOPE_LISTEN (--listen) is {shown!r}, which {why}. Allowed: {ALLOWED}")
