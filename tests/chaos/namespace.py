"""A private network of a worker that can be cut like a cable: packets vanish without notice.

It is a network namespace, tied to this machine by a pair of virtual interfaces; it needs root. Where it cannot be made,
runs do without: the proxy of ``network.py`` is there in any case, and does what a cable cannot.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaos.parts import PATIENCE_S, TIED

__all__ = ["Wire", "running_wire"]

# The network of RFC 2544, which is for tests: four addresses of it for each driver.
NETWORK = "198.18"


class Wire:
    """A namespace and the wire that leads to it.

    Args:
        holder: a process in the namespace, which goes with the last process in it.
    """

    def __init__(self, holder: int) -> None:
        base = holder % 64 * 4
        self.host = f"{NETWORK}.{holder // 64 % 256}.{base + 1}"
        self._inside = f"{NETWORK}.{holder // 64 % 256}.{base + 2}"
        self._near, self._far = f"cs{holder}h", f"cs{holder}w"
        self._holder = holder

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs a command at the far end; it finds this machine at the address ``host``."""
        return ["nsenter", f"--net=/proc/{self._holder}/ns/net", *command]

    def lay(self) -> None:
        """Tie the namespace to this machine."""
        _do("ip", "link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", str(self._holder))
        for address, name, there in ((self.host, self._near, False), (self._inside, self._far, True)):
            for command in (["addr", "add", f"{address}/30", "dev", name], ["link", "set", name, "up"]):
                _do(*self._at(["ip", *command], there=there))
        _do(*self.command(["ip", "link", "set", "lo", "up"]))

    def cut(self) -> None:
        """Have all packets vanish, both ways."""
        for name, there in self._ends:
            _do(*self._at(["tc", "qdisc", "replace", "dev", name, "root", "blackhole"], there=there))

    def heal(self) -> None:
        """Let packets through again."""
        for name, there in self._ends:
            _do(*self._at(["tc", "qdisc", "del", "dev", name, "root"], there=there))

    @property
    def _ends(self) -> tuple[tuple[str, bool], ...]:
        return ((self._near, False), (self._far, True))

    def _at(self, command: list[str], *, there: bool) -> list[str]:
        return self.command(command) if there else command


@contextlib.contextmanager
def running_wire() -> Iterator[Wire | None]:
    """Lay a wire for a ``with`` block; None where that is not permitted. It goes with the last process in it."""
    with subprocess.Popen(
        [sys.executable, "-ISc", TIED, "unshare", "--net", "sleep", "infinity"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as holder:
        try:
            yield _laid(holder)
        finally:
            holder.kill()


def _laid(holder: subprocess.Popen[bytes]) -> Wire | None:
    try:
        _wait_until_apart(holder)
        wire = Wire(holder.pid)
        wire.lay()
        wire.cut()  # to find out at once whether that works
        wire.heal()
    except (OSError, subprocess.CalledProcessError):
        return None
    return wire


def _wait_until_apart(holder: subprocess.Popen[bytes]) -> None:
    here = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == here:
        if holder.poll() is not None or time.monotonic() > deadline:
            raise PermissionError
        time.sleep(0.01)  # the kernel does not tell


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
