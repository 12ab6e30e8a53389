"""The scripts that run inside Redis: each change of state is one of them, so that it happens whole or not at all."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

from convscope.store.redis.keys import lua_table

__all__ = ["source"]

# A function of the files that scripts share, with its name.
FUNCTION: Final = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)

COMMENT: Final = re.compile(r"^ *--.*\n", re.MULTILINE)


@cache
def source(*names: str) -> str:
    """Return the text of a script, with the names of keys and the shared functions that it uses in front.

    What it does not use is left out: Redis makes each function again for every call, which takes as long as commands.

    Args:
        names: files that make up the script; those about a job begin with ``job``.
    """
    *shared, own = [
        COMMENT.sub("", (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")) for name in ("prelude", *names)
    ]
    text = _without_unused("".join(shared), own) + own
    return lua_table(set(re.findall(r"\w+", text))) + text


def _without_unused(shared: str, own: str) -> str:
    """Return shared text without the functions that neither the script nor what it uses names."""
    functions = {found[1]: found[0] for found in FUNCTION.finditer(shared)}
    used = FUNCTION.sub("", shared) + own
    left = dict(functions)
    while named := left.keys() & set(re.findall(r"\w+", used)):
        used = "".join(left.pop(name) for name in named)
    return FUNCTION.sub(lambda found: "" if found[1] in left else found[0], shared)
