"""The lock is whole: every requirement pinned, every pin with hashes, no address."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def check_lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_lock", ROOT / "scripts" / "check_lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lock_is_whole(check_lock: ModuleType) -> None:
    assert check_lock.faults(PYPROJECT, LOCK) == []


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        ("\nredis==", "\nrodis==", "redis[hiredis]>="),
        ("\ntyper==", "\ntyper>=", "is not one exact version"),
        ("\nkeras==3.15", "\nkeras==3.14", "keras>=3.15: Python 3.11 gets 3.14"),
        ("python_full_version >= '3.12'", "python_full_version >= '3.13'", "numpy>=2.0: Python 3.12 gets nothing"),
        ("\nsix==", "\n--index-url https://example.org/simple\nsix==", "has an address or an option"),
        ("\nsix==", "\n# from https://example.org\nsix==", "has an address or an option"),
    ],
)
def test_faults_are_noticed(check_lock: ModuleType, was: str, becomes: str, fault: str) -> None:
    assert was in LOCK
    assert fault in "\n".join(check_lock.faults(PYPROJECT, LOCK.replace(was, becomes)))


def test_missing_hash_is_noticed(check_lock: ModuleType) -> None:
    assert "six==1.17.0: has no hash" in check_lock.faults(PYPROJECT, LOCK + "six==1.17.0\n")


def test_new_requirement_is_noticed(check_lock: ModuleType) -> None:
    changed = PYPROJECT.replace("dependencies = [\n", 'dependencies = [\n  "attrs>=99",\n', 1)
    assert any(line.startswith("attrs>=99: Python 3.11 gets 26") for line in check_lock.faults(changed, LOCK))
