"""The scripts that run inside Redis: each change of state is one of them, so that it happens whole or not at all."""

from importlib.resources import files

__all__ = ["source"]


def source(name: str) -> str:
    """Return the text of a script."""
    return (files(__name__) / f"{name}.lua").read_text(encoding="utf-8")
