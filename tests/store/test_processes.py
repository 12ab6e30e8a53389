"""Child processes end with their parent, are started again when they die, and stopped in order."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from convscope.store.processes import Child

# Of Python 3.12 and later: other tests have left threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

PARENT = """
import sys
from convscope.store.processes import Child
child = Child("the child", ["sleep", "600"])
child.start()
print(child.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def running(line: str, **settings: Any) -> Iterator[Child]:
    """Run a line of shell, which prints something when it is ready."""
    child = Child("the child", ["sh", "-c", line], **settings)
    child.start(stdout=subprocess.PIPE)
    with ExitStack() as stack:
        assert child.output is not None
        stack.enter_context(child.output)
        stack.callback(child.stop)
        assert child.output.readline() == b"up\n"
        yield child


def ended(child: Child) -> int | None:
    assert child.pid is not None
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child.exit_code


def test_one_that_was_not_started_has_nothing_to_tell() -> None:
    child = Child("the child", ["true"])
    child.terminate()
    assert (child.pid, child.exit_code, child.output, child.stop(), child.has_died()) == (None, None, None, None, False)


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        Child("the child", ["/none"]).start()


def test_it_has_the_environment_it_was_given() -> None:
    with running('echo up; exec sh -c "echo $MARK"', environment={**os.environ, "MARK": "mine"}) as child:
        assert child.output is not None
        assert child.output.read() == b"mine\n"


def test_one_that_dies_can_be_started_again(caplog: pytest.LogCaptureFixture) -> None:
    with running("echo up; exec sleep 600") as child:
        assert (child.exit_code, child.has_died()) == (None, False)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        with caplog.at_level(logging.ERROR):
            assert child.has_died()
        assert "the child died (exit code -9)" in caplog.text
        child.command = ["sleep", "600"]
        child.start()
        assert (child.exit_code, child.pid != first) == (None, True)


def test_one_that_has_ended_for_good_is_not_started_again() -> None:
    with running("echo up; exit 2", final=(0, 2)) as child:
        assert (ended(child), child.has_died()) == (2, False)
    with running("echo up; exit 3", final=(0, 2)) as child:
        assert (ended(child), child.has_died()) == (3, True)


def test_it_is_asked_to_stop_once_and_waited_for(tmp_path: Path) -> None:
    end = tmp_path / "end"
    with running(f"trap 'echo told' TERM; echo up; until [ -e {end} ]; do sleep 0.01; done; exit 7") as child:
        assert child.output is not None
        child.terminate()
        assert child.output.readline() == b"told\n"
        child.terminate()
        end.touch()
        assert (child.stop(), child.stop()) == (7, 7)
        assert child.output.read() == b""


def test_one_that_takes_too_long_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    with running("trap '' TERM; echo up; exec sleep 600", stop_timeout_s=0.1) as child:
        assert child.stop() == -signal.SIGKILL
    assert "the child takes too long" in caplog.text


def test_a_terminals_signals_do_not_reach_it() -> None:
    with running("echo up; exec sleep 600") as child:
        assert child.pid is not None
        assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_it_ends_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        assert not psutil.wait_procs([child], timeout=10)[1]
