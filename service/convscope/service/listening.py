"""Listening on an address so that no other server shares it.

gRPC is content with any one of the addresses that a name stands for, and takes over the unix socket of a running
server. Here the server has all addresses of a name to itself, or startup fails.
"""

import contextlib
import errno
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ListenError", "Listener", "listen"]

# How often to look for a port that is free on every address of a name.
TRIES = 20

# Where to connect to a server that listens on every interface.
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - these are compared, not bound

LOOPBACKS = [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]

# Errors for an address that this machine does not have, such as ::1 where there is no IPv6.
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class ListenError(RuntimeError):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the server listens.

    Attributes:
        listen: the address as it was given, with the port that was chosen in place of 0.
        address: what a client on this machine connects to.
    """

    listen: str
    address: str


def listen(address: str, add_port: Callable[[str], int]) -> Listener:
    """Listen on ``HOST:PORT``, ``unix:PATH`` or ``unix-abstract:NAME``.

    Args:
        address: where to listen; port 0 stands for any free port.
        add_port: makes the server listen on one address; returns the port, or raises RuntimeError.

    Raises:
        ListenError: if it cannot be listened on, or another server has a part of it.
    """
    if address.startswith(("unix:", "unix-abstract:")):
        _check_unix(address)
        _add(address, add_port)
        return Listener(address, address)
    host, port = _split(address)
    infos = _resolve(host, port, address)
    for last in [False] * (TRIES - 1) + [True]:
        chosen = port or _free_port(infos)
        try:
            ours = [info for info in _probed(infos, host) if _is_free(info, chosen, address)]
        except ListenError:
            if port or last:
                raise
            continue
        break
    if not ours:
        raise ListenError(f"cannot listen on {address}: this machine does not have that address")
    for bound in _bound(host, ours):
        _add(f"{bound}:{chosen}", add_port)
    return Listener(f"{_bracketed(host)}:{chosen}", f"{WILDCARDS.get(host, _bracketed(host))}:{chosen}")


# A family and a numeric host.
Info = tuple[socket.AddressFamily, str]


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise ListenError(f"cannot listen on {address}: give HOST:PORT, with a port from 0 to 65535")
    return host.removeprefix("[").removesuffix("]") or "::", int(port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _resolve(host: str, port: int, address: str) -> list[Info]:
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {host} is unknown: {error.strerror}") from error
    # Clients try both for this name, whatever the machine's own table of hosts has.
    loopbacks = LOOPBACKS if host == "localhost" else []
    return list(dict.fromkeys([*((family, str(place[0])) for family, _, _, _, place in resolved), *loopbacks]))


def _probed(infos: list[Info], host: str) -> list[Info]:
    """Return the addresses that must be free: for a wildcard those of both families, since gRPC listens on both."""
    if host not in WILDCARDS:
        return infos
    return [(socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")]  # noqa: S104 - asked for


def _bound(host: str, infos: list[Info]) -> list[str]:
    """Return the hosts for gRPC to listen on: a wildcard already stands for both families."""
    return [_bracketed(host)] if host in WILDCARDS else [_bracketed(place) for _, place in infos]


def _is_free(info: Info, port: int, address: str) -> bool:
    """Return whether this machine has the address.

    Raises:
        ListenError: if it has, but cannot listen on it.
    """
    try:
        with _bound_socket(info, port):
            return True
    except OSError as error:
        if error.errno in ABSENT:
            return False
        place = f"{_bracketed(info[1])}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"cannot listen on {address}: another server is using {place}") from error
        raise ListenError(f"cannot listen on {address}: {place}: {error.strerror}") from error


def _free_port(infos: list[Info]) -> int:
    for info in infos:
        with contextlib.suppress(OSError), _bound_socket(info, 0) as bound:
            return int(bound.getsockname()[1])
    return 0


@contextlib.contextmanager
def _bound_socket(info: Info, port: int) -> Iterator[socket.socket]:
    family, place = info
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gRPC does: closed connections do not count
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((place, port))
        bound.listen(1)  # two sockets may be bound to one address as long as neither listens
        yield bound


def _check_unix(address: str) -> None:
    """Refuse a path that is not a socket, or that another server listens on.

    Raises:
        ListenError: if it is not free.
    """
    scheme, _, path = address.partition(":")
    if scheme == "unix":
        path = "/" + path.lstrip("/") if path.startswith("//") else path
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(Path(path).stat().st_mode):
                raise ListenError(f"cannot listen on {address}: {path} exists and is not a socket")
    place = path if scheme == "unix" else "\0" + path
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1)
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            try:
                asking.connect(place)
            except TimeoutError:
                pass  # its queue is full, so a server has it
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                    return
                raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from error
            raise ListenError(f"cannot listen on {address}: another server is using it")


def _add(address: str, add_port: Callable[[str], int]) -> None:
    try:
        add_port(address)
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {address}: is another server using it?") from error
