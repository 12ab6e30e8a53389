"""Child processes that end with their parent, can be restarted when they die, and are stopped in order."""

import ctypes
import logging
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from typing import IO

__all__ = ["Child", "die_with_parent"]

log = logging.getLogger(__name__)

# From <linux/prctl.h>: the signal that a process gets when its parent dies.
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Make the kernel kill this process when the thread that started it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Child:
    """A program run as a child process.

    It must be started by a thread that lives as long as the child: the kernel kills the child at the end of that
    thread. A terminal's Ctrl-C does not reach it: the parent stops its children in order.

    Args:
        title: what to call it in messages.
        command: program and arguments.
        environment: its environment variables; default: this process's.
        stop_timeout_s: seconds in which it must end when it is stopped, else it is killed; None for no limit.
        final: exit codes after which it is not started again.

    Attributes:
        command: program and arguments of the next start.
    """

    def __init__(
        self,
        title: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stop_timeout_s: float | None = None,
        final: Collection[int] = (),
    ) -> None:
        self.command = command
        self._title = title
        self._environment = environment
        self._stop_timeout_s = stop_timeout_s
        self._final = final
        self._process: subprocess.Popen[bytes] | None = None
        self._terminated = False

    @property
    def pid(self) -> int | None:
        """Its process id; None before it was started."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs, and before it was started."""
        return self._process.poll() if self._process else None

    @property
    def output(self) -> IO[bytes] | None:
        """Its standard output, if it was started with a pipe."""
        return self._process.stdout if self._process else None

    def start(self, stdout: int | IO[bytes] | None = None, stderr: int | IO[bytes] | None = None) -> None:
        """Start it.

        Args:
            stdout: its standard output, as for ``subprocess.Popen``.
            stderr: its standard error, likewise.

        Raises:
            OSError: if the program cannot be run.
        """
        self._terminated = False
        self._process = subprocess.Popen(  # noqa: S603 - programs of this package's choice
            self.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - a single system call, safe after a fork
        )

    def has_died(self) -> bool:
        """Return whether it has ended and must be started again, and log it; call this until it is true, then start."""
        code = self.exit_code
        if code is None or code in self._final:
            return False
        log.error("%s died (exit code %s) and is started again", self._title, code)
        return True

    def terminate(self) -> None:
        """Send SIGTERM, once."""
        if self._process and not self._terminated:
            self._terminated = True
            self._process.terminate()

    def stop(self) -> int | None:
        """Terminate it and wait for its end; return its exit code, None if it was never started."""
        if self._process is None:
            return None
        self.terminate()
        try:
            return self._process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("%s takes too long to stop and is killed", self._title)
            self._process.kill()
            return self._process.wait()
