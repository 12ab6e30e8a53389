"""Names of arrays and folders for layers: different layers get different names, ordinary names are kept.

What cannot be part of such a name, or has a meaning in a path or a URL, is percent-escaped, and so is ``%``.
``index.json`` names the subject of every file and array.
"""

import re

__all__ = ["INDEX", "array_name", "folder_name"]

INDEX = "index.json"

# ``/`` and, on some systems, ``\`` separate folders; NUL ends a name in zip files; ``#`` begins a fragment of a URL.
UNUSABLE = re.compile(r"[%/\\#\x00-\x1f\x7f]")

# Names that a folder must not have: that of the file beside it, and those of the folder itself and its parent.
TAKEN = re.compile(rf"{re.escape(INDEX)}|\.+")


def array_name(layer: str) -> str:
    """Return a layer's part of an array's name."""
    return UNUSABLE.sub(lambda match: _escaped(match[0]), layer)


def folder_name(layer: str) -> str:
    """Return the name of a layer's folder."""
    if not layer:
        return "%"  # not an escape, so no other layer has it
    if not TAKEN.fullmatch(layer):
        return array_name(layer)
    return layer.replace(".", "%2E") if set(layer) == {"."} else _escaped(layer[0]) + layer[1:]


def _escaped(character: str) -> str:
    return f"%{ord(character):02X}"
