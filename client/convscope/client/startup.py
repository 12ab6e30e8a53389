"""Ctrl-C while the command line is still being loaded.

The program ``convscope`` imports this package before it can say anything else, and an interrupt in the middle of that
would print a traceback of imports. So importing this module, first of all, lets SIGINT end that program silently.
Programs that use the client as a library are left alone, and so is a SIGINT that is ignored.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Never

__all__ = ["loaded"]

_PROGRAM = "convscope"
_INTERRUPTED = 130


def _end_quietly_while_loading() -> None:
    if Path(*sys.argv[:1]).name == _PROGRAM and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def loaded() -> None:
    """Let SIGINT raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> Never:
    os._exit(_INTERRUPTED)


_end_quietly_while_loading()
