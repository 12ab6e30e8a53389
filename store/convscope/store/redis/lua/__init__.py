"""The scripts that run inside Redis: each change of state is one of them, so that it happens whole or not at all."""

from functools import cache
from importlib.resources import files

from convscope.store.redis.keys import lua_table

__all__ = ["source"]


@cache
def source(*names: str) -> str:
    """Return the text of a script, with the names of keys and the functions that all scripts share in front.

    Args:
        names: files that make up the script; those about a job begin with ``job``.
    """
    texts = [(files(__name__) / f"{name}.lua").read_text(encoding="utf-8") for name in ("prelude", *names)]
    return "".join([lua_table(), *texts])
