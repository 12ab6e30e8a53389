"""What every source root and script must be like."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTIONS = {
    "protos": ["v1"],
    "client": ["client"],
    "store": ["planning", "store"],
    "service": ["service"],
    "worker": ["engine", "worker"],
}


def scripts() -> list[Path]:
    return [path for path in (*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run") if path.is_file()]


def shell_scripts() -> list[Path]:
    return [
        path for path in scripts() if path.name == "environment" or b"bash" in path.read_bytes().partition(b"\n")[0]
    ]


@pytest.mark.parametrize("root", PORTIONS)
def test_portion_of_the_namespace(root: str) -> None:
    namespace = ROOT / root / "convscope"
    assert not (namespace / "__init__.py").exists(), "would hide the other portions"
    packages = sorted(path.name for path in namespace.iterdir() if path.is_dir() and path.name != "__pycache__")
    assert packages == PORTIONS[root]
    for portion in packages:
        assert (namespace / portion / "__init__.py").is_file()
        assert (namespace / portion / "py.typed").is_file()


@pytest.mark.parametrize("path", shell_scripts(), ids=lambda path: path.name)
def test_shell_script(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    if path.name != "environment":
        assert os.access(path, os.X_OK)
        assert "set -euo pipefail" in path.read_text()


def test_continuous_integration_runs_the_local_scripts_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == [
        "set -euo pipefail",
        'cd "$(dirname "$0")/.."',
        "scripts/check",
        "scripts/test",
        "scripts/test --only-slow",
    ]
