"""Ctrl-C while the command line is being loaded."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name("convscope"))

# Interrupts the program at the moment when it looks for a module.
INTERRUPTER = """
import os, signal, sys

class Interrupter:
    def find_spec(self, name, *_):
        if name == os.environ["INTERRUPT_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
"""


def interrupted(folder: Path, module: str, *command: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(INTERRUPTER)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environ = {**os.environ, "PYTHONPATH": path, "INTERRUPT_AT": module}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


@pytest.mark.parametrize("module", ["convscope.client.client", "grpc", "numpy", "typer", "convscope.client.cli.train"])
def test_an_early_interrupt_is_quiet(tmp_path: Path, module: str) -> None:
    result = interrupted(tmp_path, module, PROGRAM, "--version")
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("up", "convscope.service.up"),
        ("up", "convscope.store.blobs"),
        ("serve", "convscope.service.server"),
        ("worker", "convscope.worker.settings"),
        ("worker", "sklearn.metrics"),  # seconds of imports begin with it
        ("admin", "convscope.store.blobs"),
    ],
)
def test_an_early_interrupt_of_a_server_is_quiet(tmp_path: Path, command: str, module: str) -> None:
    """While it imports its modules, and after its start."""
    arguments = {"up": ["--home", str(tmp_path)], "admin": ["status"]}.get(command, [])
    result = interrupted(tmp_path, module, PROGRAM, command, *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_programs_that_use_the_client_are_left_alone(tmp_path: Path) -> None:
    result = interrupted(tmp_path, "grpc", sys.executable, "-c", "import convscope.client")
    assert result.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in result.stderr


def test_an_ignored_interrupt_stays_ignored(tmp_path: Path) -> None:
    result = interrupted(tmp_path, "grpc", "sh", "-c", f"trap '' INT; exec {PROGRAM} --version")
    assert result.returncode == 0
    assert result.stdout.startswith("convscope ")
