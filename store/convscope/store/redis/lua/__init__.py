"""The scripts that run inside Redis: every change of state is one script, and therefore atomic."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

from convscope.store.redis.keys import lua_table

__all__ = ["names", "source"]

# A function in the files that scripts share, and its name.
FUNCTION: Final = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)

COMMENT: Final = re.compile(r"^ *--.*\n", re.MULTILINE)


# Files that scripts share.
SHARED: Final = ("prelude", "job")


def names() -> list[str]:
    """Return the names of all scripts."""
    stems = (file.name.removesuffix(".lua") for file in files(__name__).iterdir() if file.name.endswith(".lua"))
    return sorted(set(stems) - set(SHARED))


@cache
def source(*names: str) -> str:
    """Return the text of a script, after the names of keys and the shared functions that it uses.

    Unused functions are left out: Redis creates every function in every call, which takes as long as commands.

    Args:
        names: files that make up the script; for a script about one job the first is ``job``.
    """
    *shared, own = [
        COMMENT.sub("", (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")) for name in ("prelude", *names)
    ]
    text = _without_unused("".join(shared), own) + own
    return lua_table(set(re.findall(r"\w+", text))) + text


def _without_unused(shared: str, own: str) -> str:
    """Return shared text without the functions that the script does not use, directly or indirectly."""
    functions = {match[1]: match[0] for match in FUNCTION.finditer(shared)}
    used = FUNCTION.sub("", shared) + own
    unused = dict(functions)
    while named := unused.keys() & set(re.findall(r"\w+", used)):
        used = "".join(unused.pop(name) for name in named)
    return FUNCTION.sub(lambda match: "" if match[1] in unused else match[0], shared)
