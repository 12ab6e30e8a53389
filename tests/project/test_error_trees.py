"""Each package has one tree of errors, which a docstring draws as it is."""

import importlib
import inspect
import re
from types import ModuleType

import pytest

from convscope.client.errors import ConvscopeError
from convscope.engine.errors import EngineError
from convscope.store.errors import StoreError

TREES = {
    "convscope.client": ("convscope.client.errors", ConvscopeError),
    "convscope.store": ("convscope.store.errors", StoreError),
    "convscope.engine": ("convscope.engine.errors", EngineError),
}


def drawn(module: ModuleType) -> dict[str, str]:
    """Return the parent of each error that a docstring draws; that of the root is empty."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (inspect.getdoc(module) or "").splitlines():
        match = re.match(r"(?P<branch>(?:[│ ]   )*(?:[├└]── )?)(?P<name>[A-Z]\w+)(?: \(\w+\))?(?:  |$)", line)
        if match and (match["branch"] or not parents):
            depth = len(match["branch"]) // 4
            parents[match["name"]] = above[depth - 1] if depth else ""
            above[depth:] = [match["name"]]
    return parents


def below(kind: type[Exception], package: str) -> dict[str, str]:
    """Return the parent of each error of a package that derives from one."""
    parents: dict[str, str] = {}
    for child in kind.__subclasses__():
        if child.__module__.startswith(f"{package}."):
            parents |= {child.__name__: kind.__name__, **below(child, package)}
    return parents


@pytest.mark.parametrize("package", TREES)
def test_the_tree_is_drawn_as_it_is(package: str) -> None:
    module, root = TREES[package]
    importlib.import_module(package)
    assert drawn(importlib.import_module(module)) == {root.__name__: "", **below(root, package)}
