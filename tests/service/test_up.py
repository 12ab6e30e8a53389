"""``convscope up`` before it is ready: what it says of itself, and that it can be stopped."""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

VARIABLE = re.compile(r"CONVSCOPE_[A-Z_]+").findall

# A server that starts and never answers.
SERVER = """#!/bin/sh
echo started > FIFO
exec sleep 600
"""


def described(*users: str) -> set[str]:
    """Return the variables that the readme describes as theirs."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    rows = [line.split("|")[1:3] for line in readme.splitlines() if line.startswith("| `CONVSCOPE_")]
    return {
        name for names, used_by in rows if set(users) & set(re.findall(r"\w+", used_by)) for name in VARIABLE(names)
    }


@pytest.mark.parametrize(
    ("module", "users"), [("convscope.service", ["service"]), ("convscope.service.up", ["service", "worker"])]
)
def test_help_names_the_variables_and_hides_what_is_for_programs(module: str, users: list[str]) -> None:
    command = [sys.executable, "-m", module, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert set(VARIABLE(text)) == described(*users)
    assert "die-with-parent" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_redis_that_does_not_answer_can_be_given_up(number: signal.Signals) -> None:
    """At once, and not after the minute for which it would be waited."""
    with tempfile.TemporaryDirectory(prefix="cs-") as name:
        folder = Path(name)
        program = folder / "redis-server"
        fifo = folder / "fifo"
        os.mkfifo(fifo)
        program.write_text(SERVER.replace("FIFO", str(fifo)))
        program.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        environment.pop("CONVSCOPE_REDIS_URL", None)
        command = [sys.executable, "-m", "convscope.service.up", "--home", name, "--listen", f"unix:{folder}/s"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            started = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            assert select.select([started], [], [], 60)[0]
            servers = psutil.Process(process.pid).children()
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        os.close(started)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert len(servers) == 1
        assert not psutil.wait_procs(servers, timeout=10)[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--home", "{file}/home"], "convscope up: {file}/home/redis: Not a directory"),
        (["--workers", "many"], "argument --workers: 'many' is not a whole number"),
        (["--threads", "0"], "argument --threads: '0' is not a whole number"),
    ],
)
def test_arguments_that_cannot_be_right_are_named(tmp_path: Path, arguments: list[str], expected: str) -> None:
    file = tmp_path / "file"
    file.touch()
    options = [argument.format(file=file) for argument in arguments]
    command = [sys.executable, "-m", "convscope.service.up", "--listen", f"unix:{tmp_path}/s", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONVSCOPE_")}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert ended.returncode == 2
    assert expected.format(file=file) in ended.stderr
    assert "Traceback" not in ended.stderr
