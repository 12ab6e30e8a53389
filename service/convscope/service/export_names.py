"""Layers' names as names of arrays and folders: different ones stay different, ordinary ones stay as they are.

What cannot be part of such a name, or means something in a path or a URL, is percent-escaped, and so is ``%``.
``index.json`` tells the subject of every file and array.
"""

import re

__all__ = ["INDEX", "array_name", "folder_name"]

INDEX = "index.json"

# ``/`` and, to some, ``\`` part folders; a name ends at NUL in zip files; ``#`` begins a fragment of a URL.
UNUSABLE = re.compile(r"[%/\\#\x00-\x1f\x7f]")

# What a folder must not be called: the file that lies beside it, the folder itself, and the one above it.
TAKEN = re.compile(rf"{re.escape(INDEX)}|\.+")


def array_name(layer: str) -> str:
    """Return the part of an array's name that stands for a layer."""
    return UNUSABLE.sub(lambda match: _escaped(match[0]), layer)


def folder_name(layer: str) -> str:
    """Return the name of a layer's folder."""
    if not layer:
        return "%"  # which no escape is
    if not TAKEN.fullmatch(layer):
        return array_name(layer)
    return layer.replace(".", "%2E") if set(layer) == {"."} else _escaped(layer[0]) + layer[1:]


def _escaped(character: str) -> str:
    return f"%{ord(character):02X}"
