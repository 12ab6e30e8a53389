"""The command line: ``convscope``."""

import os
import sys

from convscope.client import startup

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        from convscope.client.cli.app import app  # noqa: PLC0415  an interrupt while loading needs no traceback

        startup.loaded()
        app(prog_name="convscope")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader went away, as ``head`` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
