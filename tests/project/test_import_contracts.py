"""The arrows between the folders hold, and each would be missed if it were broken."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTIONS = ("protos", "client", "store", "service", "worker")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the portions under a root alone: without site, the installed ones are not found."""
    paths = [*(str(root / portion) for portion in PORTIONS), sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "1000"}
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-S", "-c", command, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    for portion in PORTIONS:
        shutil.copytree(ROOT / portion, root / portion, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def forbidden_imports() -> Iterator[tuple[str, str]]:
    for contract in CONTRACTS:
        for source in contract["source_modules"]:
            for forbidden in contract["forbidden_modules"]:
                yield source, forbidden


def module_path(root: Path, module: str) -> Path:
    """Return the folder of a package or the file of a module."""
    parts = module.split(".")
    paths = [path for portion in PORTIONS for path in (root / portion).glob("/".join(parts) + "*")]
    exact = [path for path in paths if path.name in {parts[-1], f"{parts[-1]}.py"}]
    assert len(exact) == 1, f"{module} is not one module: {exact}"
    return exact[0]


@pytest.fixture(scope="module")
def report(copy: Path) -> str:
    """What import-linter says when every forbidden import is made somewhere."""
    for number, (source, forbidden) in enumerate(forbidden_imports()):
        path = module_path(copy, source)
        target = path / f"planted_{number}.py" if path.is_dir() else path
        with target.open("a") as file:
            file.write(f"\nimport {forbidden}\n")
    answer = lint_imports(copy)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    return answer.stdout


def test_contracts_hold() -> None:
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_planning_needs_nothing_but_python() -> None:
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.append(sys.argv[1]); import convscope.planning"]
    answer = subprocess.run([*command, str(ROOT / "store")], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["name"])
def test_each_contract_can_fail(report: str, contract: dict[str, str]) -> None:
    assert f"{contract['name']} BROKEN" in report


@pytest.mark.parametrize(("number", "source", "forbidden"), [(n, *pair) for n, pair in enumerate(forbidden_imports())])
def test_each_forbidden_import_is_noticed(report: str, copy: Path, number: int, source: str, forbidden: str) -> None:
    importer = f"{source}.planted_{number}" if module_path(copy, source).is_dir() else source
    assert f"{importer} -> {forbidden} (l." in report
