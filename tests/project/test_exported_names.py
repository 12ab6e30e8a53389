"""Every name that a module exports is there, and every package says what it exports."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTIONS = {
    "client": "client",
    "planning": "store",
    "store": "store",
    "service": "service",
    "engine": "worker",
    "worker": "worker",
}

# Prints, for each module named, its exports, those of them that it lacks, and those named twice.
PROGRAM = """
import importlib, json, sys
exports = {}
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", None)
    lacking = [name for name in exported or [] if not hasattr(module, name)]
    exports[name] = [exported, lacking, len(set(exported or [])) != len(exported or [])]
print(json.dumps(exports))
"""


def modules() -> list[str]:
    paths = [
        path.relative_to(ROOT / root).with_suffix("")
        for portion, root in PORTIONS.items()
        for path in (ROOT / root / "convscope" / portion).rglob("*.py")
    ]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__")


@pytest.fixture(scope="module")
def exports() -> dict[str, tuple[list[str] | None, list[str], bool]]:
    """What all modules export, found in a separate process, since it imports everything there is."""
    command = [sys.executable, "-c", PROGRAM, *modules()]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    exported: dict[str, tuple[list[str] | None, list[str], bool]] = json.loads(answer.stdout.splitlines()[-1])
    return exported


def test_exported_names_resolve(exports: dict[str, tuple[list[str] | None, list[str], bool]]) -> None:
    assert {name: lacking for name, (_, lacking, _) in exports.items() if lacking} == {}


def test_no_name_is_exported_twice(exports: dict[str, tuple[list[str] | None, list[str], bool]]) -> None:
    assert [name for name, (_, _, twice) in exports.items() if twice] == []


@pytest.mark.parametrize("portion", PORTIONS)
def test_portion_names_its_exports(exports: dict[str, tuple[list[str] | None, list[str], bool]], portion: str) -> None:
    assert exports[f"convscope.{portion}"][0] is not None


@pytest.mark.parametrize("portion", ["store", "planning"])
@pytest.mark.parametrize("user", ["service", "worker"])
def test_other_portions_import_from_the_package(user: str, portion: str) -> None:
    """A portion's interface is its package: no other portion imports its modules."""
    prefix = f"convscope.{portion}."
    imports = [
        (path.name, node.module)
        for path in (ROOT / PORTIONS[user] / "convscope").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(prefix)
    ]
    assert imports == []
