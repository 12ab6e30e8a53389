"""Each fault of the track record has a command, which names commits and tests that exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = (ROOT / "docs" / "track-record.md").read_text()
FAULTS = [line for line in RECORD.splitlines() if re.match(r"\| [^-]", line) and "| **" not in line][1:]
COMMAND = re.compile(r"`scripts/before ([0-9a-f]+)(?::([0-9a-f]+))? ([^`]+)`")
COMMANDS = COMMAND.findall(RECORD)

# Tests that were written after the repair, for the code before it.
LATER = "docs/track-record/"


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def history() -> None:
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("only a part of the history is here")


def test_each_fault_has_a_number_and_a_command() -> None:
    assert [line.split(" | ")[0] for line in FAULTS] == [f"| {number}" for number in range(1, len(FAULTS) + 1)]
    assert [len(COMMAND.findall(line)) for line in FAULTS] == [1] * len(COMMANDS)
    assert RECORD.count("| fault |") == 1


def test_each_later_test_shows_a_fault() -> None:
    named = [word for _, _, words in COMMANDS for word in words.split() if word.startswith(LATER)]
    assert sorted(named) == sorted(str(path.relative_to(ROOT)) for path in (ROOT / LATER).rglob("*.py"))


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_names_what_exists(command: tuple[str, str, str]) -> None:
    commit, tests, words = command
    assert git("rev-parse", f"{commit}^")
    for word in words.split():
        path, _, name = word.partition("::")
        if path.startswith(LATER):
            folder = Path("tests", path.removeprefix(LATER)).parent
            assert git("ls-tree", f"{tests or commit}:{folder}")  # which it is put into
        elif path.startswith("tests/"):
            assert f"def {name or 'test_'}" in git("show", f"{tests or commit}:{path}")
