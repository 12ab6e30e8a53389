"""Ctrl-C before a program has a handler of its own for it."""

import os
import signal
from types import FrameType
from typing import Never

__all__ = ["end_on_interrupt"]

# Exit code of a program that SIGINT has ended.
INTERRUPTED = 130


def end_on_interrupt() -> None:
    """Let SIGINT end this process at once and silently, until another handler is installed.

    ``convscope`` blocks SIGINT before it becomes this program, so that none meets the imports, where it would print a
    traceback; from here on it is let through. A SIGINT that is ignored stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end(_number: int, _frame: FrameType | None) -> Never:
    os._exit(INTERRUPTED)
