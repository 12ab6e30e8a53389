"""A server for the time of the demo: ``convscope up`` as a child, everything in a temporary folder."""

import atexit
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from convscope.client.errors import StartupError

__all__ = ["LocalServer"]

# Bytes that the temporary folder's path may have; sockets below it must stay within the system's 108.
_MAX_FOLDER = 60
# Seconds to wait for the server: importing TensorFlow on a cold and slow disk takes a minute.
_READY_TIMEOUT = 180.0
# Seconds that the server may take to stop before it is killed.
_STOP_TIMEOUT = 40.0
# Lines of the log that are shown when something went wrong.
_TAIL = 20
# Settings of the user's own server that must not reach this one.
_FOREIGN = {
    f"CONVSCOPE_{name}" for name in ("REDIS_URL", "ARTIFACTS_URL", "LISTEN", "TOKEN", "TLS_CERT", "TLS_KEY", "INSECURE")
}


class LocalServer:
    """A running ``convscope up``, on a unix socket that only this user can reach. ``stop`` leaves nothing behind."""

    def __init__(self) -> None:
        self._folder = _private_folder()
        atexit.register(self.stop)
        self.address = f"unix:{self._folder / 'socket'}"
        self._log = self._folder / "log"
        _reuse_data(self._folder)
        temporary = self._folder / "tmp"
        temporary.mkdir()
        command = [
            "-m",
            "convscope.service.up",
            "--listen",
            self.address,
            "--home",
            str(self._folder),
            "--workers",
            "1",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  this very Python, with arguments from here
                [sys.executable, *command, "--die-with-parent"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the demo alone, which then stops the server
                env=_environment() | {"TMPDIR": str(temporary)},  # its files are removed with the folder
            )

    def wait_until_ready(self) -> None:
        """Wait until jobs can be submitted.

        Raises:
            StartupError: The server ended or took too long.
        """
        line, deadline = b"", time.monotonic() + _READY_TIMEOUT
        out = self._process.stdout.fileno()  # type: ignore[union-attr]  # it is a pipe
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([out], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(out, 4096) if ready else b""
            if not piece:
                raise StartupError("the server did not start" if ready else "the server took too long to start")
            line += piece

    def log_tail(self) -> str:
        """Return the last lines of the server's log."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-_TAIL:])

    def stop(self) -> None:
        """Stop the server and remove its folder; do nothing the second time."""
        process: subprocess.Popen[bytes] | None = getattr(self, "_process", None)
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process and process.stdout:
            process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)


def _private_folder() -> Path:
    """Return a new folder with mode 0700 whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="convscope-"))
    if len(os.fsencode(folder)) <= _MAX_FOLDER:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="convscope-", dir="/tmp"))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def _reuse_data(folder: Path) -> None:
    """Let the server use datasets that an earlier one downloaded."""
    home = Path(os.environ.get("CONVSCOPE_HOME") or Path.home() / ".convscope")
    if (home / "data").is_dir():
        (folder / "data").symlink_to((home / "data").absolute())
