"""Layers' names as names of arrays and folders: different ones stay different, ordinary ones stay as they are.

What cannot be part of such a name is escaped as in URLs, and so is the sign of that, ``%``. ``index.json`` tells the
layer of every file and array.
"""

import re

__all__ = ["INDEX", "array_name", "folder_name"]

INDEX = "index.json"

# A name ends at NUL in zip files; other control characters are no good in any name.
UNUSABLE = re.compile(r"[%\x00-\x1f\x7f]")

# What a folder must not be called: the files that may lie beside it, the folder itself, and the one above it.
TAKEN = re.compile(rf"{re.escape(INDEX)}|\d+(?:-\d+)?\.png|\.+", re.ASCII)


def array_name(layer: str) -> str:
    """Return the part of an array's name that stands for a layer."""
    return UNUSABLE.sub(lambda found: _escaped(found[0]), layer)


def folder_name(layer: str) -> str:
    """Return the path of a layer's folder: a folder in a folder for each ``/`` in its name."""
    return "/".join(map(_part, layer.split("/")))


def _part(name: str) -> str:
    if not name:
        return "%"  # which no escape is
    if not TAKEN.fullmatch(name):
        return array_name(name)
    return name.replace(".", "%2E") if set(name) == {"."} else _escaped(name[0]) + name[1:]


def _escaped(character: str) -> str:
    return f"%{ord(character):02X}"
