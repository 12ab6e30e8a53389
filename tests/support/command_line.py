"""The command line, run within the process of the tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convscope.client.cli.app import app

__all__ = ["Run", "running_in_process"]

# Takes arguments of the command line; returns its exit code, and what it printed to stdout and to stderr.
Run = Callable[..., tuple[int, str, str]]


def running_in_process(capsys: pytest.CaptureFixture[str], *leading: str) -> Run:
    """Return a function that runs convscope in this process.

    Args:
        capsys: captures what is printed.
        leading: arguments that come before those of every call.
    """

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app([*leading, *map(str, arguments)], prog_name="convscope")
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run
