"""Modules run as child processes of a process with an event loop; they announce when they are ready."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from convscope.store import Child

__all__ = ["ChildError", "ModuleProcess"]

log = logging.getLogger(__name__)

# How long a child may take to be ready, in seconds: a worker imports TensorFlow first, slowly on a busy machine.
READY_TIMEOUT_S = 180.0

# How long a child may take to end what it is doing after SIGTERM, in seconds.
STOP_TIMEOUT_S = 15.0

# How often a child is checked, in seconds.
PERIOD_S = 0.2

# Pause before a child that died is started again, in seconds.
RESTART_PAUSE_S = 1.0


class ChildError(RuntimeError):
    """A child process cannot be started."""


class ModuleProcess:
    """A Python module run as a process, which prints one line on its standard output when it is ready.

    Args:
        title: what to call it in messages.
        command: module and arguments.
        environment: its environment variables.
        ready_timeout_s: how long a start may take, in seconds.

    Attributes:
        line: what it printed when it was ready.
    """

    def __init__(
        self,
        title: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        self._title = title
        self._ready_timeout_s = ready_timeout_s
        self._child = Child(title, [], environment, stop_timeout_s=STOP_TIMEOUT_S)
        self._output: asyncio.BaseTransport | None = None
        self.line = ""
        self.run_next(command)

    def run_next(self, command: Sequence[str]) -> None:
        """Set the module and arguments of the next start."""
        self._child.command = [sys.executable, "-m", *command]

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ChildError: if it ends or stays silent instead.
            OSError: if it cannot be run, as for lack of memory.
        """
        self._close()
        self._child.start(stdout=subprocess.PIPE)
        try:
            line = await asyncio.wait_for(self._first_line(), self._ready_timeout_s)
        except TimeoutError:
            line = b""
        if not line:
            raise ChildError(f"{self._title} did not start; its messages are above")
        self.line = line.decode(errors="replace").strip()

    async def keep(self) -> None:
        """Restart it whenever it dies, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            if self._child.has_died():
                await asyncio.sleep(RESTART_PAUSE_S)
                await self._try_to_start()

    async def stop(self) -> None:
        """Tell it to stop, wait for its end, and kill it if it takes too long."""
        self._child.terminate()
        await asyncio.to_thread(self._child.stop)
        self._close()

    async def _try_to_start(self) -> None:
        """Start it, and only log it if this machine cannot just now: it stays dead, and is started again."""
        with contextlib.suppress(ChildError):  # its own messages say why
            try:
                await self.start()
            except OSError as error:
                log.warning("%s cannot be started: %s", self._title, error)

    async def _first_line(self) -> bytes:
        reader = asyncio.StreamReader()
        pipe: IO[bytes] | None = self._child.output
        protocol = asyncio.StreamReaderProtocol(reader)
        self._output, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        return await reader.readline()

    def _close(self) -> None:
        if self._output:
            self._output.close()
            self._output = None
