"""Output in a notebook that can be replaced in place."""

import time
from importlib import import_module
from typing import Any

__all__ = ["NotebookDisplay"]

# Seconds between two replacements, at least: each is a message to the browser.
_INTERVAL = 0.1


class NotebookDisplay:
    """Shows an object with IPython's own display, which needs no widgets and is kept when the notebook is saved.

    Args:
        shown: An object that IPython can render; what it looks like may change.
    """

    def __init__(self, shown: object) -> None:
        self._shown = shown
        self._handle: Any = None
        self._next = 0.0

    def start(self) -> None:
        """Show the object below the cell that runs."""
        self._handle = import_module("IPython.display").display(self._shown, display_id=True)

    def update(self) -> None:
        """Show how the object looks now, unless it was shown just before."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._replace()

    def stop(self) -> None:
        """Show how the object looks in the end."""
        self._replace()

    def _replace(self) -> None:
        if self._handle is not None:
            self._handle.update(self._shown)
