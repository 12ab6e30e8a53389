"""Child processes: they end with the process that started them, are started again when they die, and are stopped."""

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
    """Have the kernel kill this process when the thread that started it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Child:
    """A program that is run as a child process, and looked after.

    It must be started by a thread that lives as long as it: the kernel kills it at the end of that thread. A terminal's
    Ctrl-C does not reach it: its parent stops all in order.

    Args:
        title: what to call it in messages.
        command: program and arguments.
        environment: its environment variables; default: this process's.
        stop_timeout_s: seconds in which it must end when it is stopped, else it is killed; None: it is waited for.
        final: exit codes after which it is not started again.

    Attributes:
        command: what the next start runs.
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
        self._told = False

    @property
    def pid(self) -> int | None:
        """Its process id; None before it was started."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, below 0 by which signal; None while it runs, and before it was started."""
        return self._process.poll() if self._process else None

    @property
    def output(self) -> IO[bytes] | None:
        """What it prints, if it was started with a pipe."""
        return self._process.stdout if self._process else None

    def start(self, stdout: int | IO[bytes] | None = None, stderr: int | IO[bytes] | None = None) -> None:
        """Start it.

        Args:
            stdout: where it prints, as for ``subprocess.Popen``.
            stderr: where its messages go, likewise.

        Raises:
            OSError: if the program cannot be run.
        """
        self._told = False
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
        """Say whether it has ended and is to be started again, and log it; to be asked once for each start."""
        code = self.exit_code
        if code is None or code in self._final:
            return False
        log.error("%s died (exit code %s) and is started again", self._title, code)
        return True

    def terminate(self) -> None:
        """Tell it to stop, unless it was told before."""
        if self._process and not self._told:
            self._told = True
            self._process.terminate()

    def stop(self) -> int | None:
        """Tell it to stop and wait for its end; returns its exit code, None if it was never started."""
        if self._process is None:
            return None
        self.terminate()
        try:
            return self._process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("%s takes too long to stop and is killed", self._title)
            self._process.kill()
            return self._process.wait()
