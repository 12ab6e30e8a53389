"""The commands of the track record name commits and tests that there are."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = (ROOT / "docs" / "track-record.md").read_text()
COMMANDS = re.findall(r"`scripts/before ([0-9a-f]+)(?::([0-9a-f]+))? ([^`]+)`", RECORD)

# The other tests that it names, of this commit or of the one beside them.
REPAIRED = [
    *re.findall(r"[|,] `(tests/[^`]+)`(?:, as of `([0-9a-f]+)`)?", RECORD),
    *((test, commit) for commit, test in re.findall(r"`scripts/before` with `([0-9a-f]+)` and\s+`([^`]+)`", RECORD)),
]


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def history() -> None:
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("only a part of the history is here")


def test_every_fault_has_a_command() -> None:
    rows = [line for line in RECORD.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == len(COMMANDS) >= 40


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_names_what_there_is(command: tuple[str, str, str]) -> None:
    commit, tests, words = command
    assert git("rev-parse", f"{commit}^")
    for word in words.split():
        path, _, name = word.partition("::")
        if path.startswith("tests/"):
            assert f"def {name or 'test_'}" in git("show", f"{tests or commit}:{path}")


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(("test", "commit"), REPAIRED, ids=lambda word: word.rpartition("/")[2] or "here")
def test_other_tests_that_it_names_exist(test: str, commit: str) -> None:
    path, _, name = test.partition("::")
    text = git("show", f"{commit}:{path}") if commit else (ROOT / path).read_text()
    assert f"def {name or 'test_'}" in text
