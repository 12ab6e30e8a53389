"""Child processes that are started together, started again when they die, and stopped together."""

import asyncio
import contextlib
import logging
import os
import signal
import sys

from convscope.store.processes import die_with_parent

__all__ = ["Child", "ChildError"]

log = logging.getLogger(__name__)

# A worker imports TensorFlow before it is ready: seconds, on a busy machine many.
READY_TIMEOUT_S = 180.0

# How long a child may take to end what it is doing after SIGTERM, in seconds.
STOP_TIMEOUT_S = 15.0

# Pause before a child that died is started again, in seconds.
RESTART_PAUSE_S = 1.0


class ChildError(RuntimeError):
    """A child process cannot be started."""


class Child:
    """A Python module run as a process, which prints one line on its standard output when it is ready.

    Args:
        title: what to call it in messages.
        command: module and arguments; those of the next start may be set meanwhile.
        environment: its environment variables.

    Attributes:
        line: what it printed when it was ready.
    """

    def __init__(self, title: str, command: list[str], environment: dict[str, str]) -> None:
        self._title = title
        self.command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self.line = ""
        self._stopping = False

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ChildError: if it ends or stays silent instead.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self.command,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C reaches the parent alone, which stops all in order
            preexec_fn=die_with_parent,
        )
        try:
            line = await asyncio.wait_for(_first_line(self._process), READY_TIMEOUT_S)
        except TimeoutError:
            line = b""
        if not line:
            raise ChildError(f"the {self._title} did not start; its messages are above")
        self.line = line.decode(errors="replace").strip()

    async def keep(self) -> None:
        """Start it again whenever it dies, until it is told to stop."""
        while self._process is not None:
            code = await self._process.wait()
            if self._stopping:
                return
            log.error("the %s died (exit code %s) and is started again", self._title, code)
            await asyncio.sleep(RESTART_PAUSE_S)
            with contextlib.suppress(ChildError):  # its own messages say why; try again
                await self.start()

    async def stop(self) -> None:
        """Tell it to stop, wait for its end, and kill it if it takes too long."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            log.warning("the %s takes too long to stop and is killed", self._title)
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        # Not by the process object: it would look for the child's end on the way, and asyncio would miss that end.
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


async def _first_line(process: asyncio.subprocess.Process) -> bytes:
    return await process.stdout.readline() if process.stdout else b""
