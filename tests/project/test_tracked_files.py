"""The project works anywhere: no file names this or that machine, or where its packages come from."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

UNWANTED = {
    "a path of one machine": r"/(?:home|Users)/[a-z][\w.-]*/|(?<![\w.-])/(?:work|root)/|(?<![\w.-])/tmp/lab",
    "a package index": r"pypi\.(?:org|python\.org)|files\.pythonhosted|--(?:extra-)?index-url|--find-links",
}

# These say what is unwanted in order to find it.
SPEAKS_OF_THEM = {"tests/project/test_tracked_files.py", "tests/project/test_lockfile.py"}


def faults(text: str) -> list[str]:
    return [f"{what}: {match}" for what, pattern in UNWANTED.items() for match in re.findall(pattern, text)]


def tracked_texts() -> dict[str, str]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode()
    texts = {}
    for name in filter(None, names.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts[name] = content.decode()
    return texts


def test_no_file_is_tied_to_a_machine_or_an_index() -> None:
    faulty = {name: faults(text) for name, text in tracked_texts().items() if name not in SPEAKS_OF_THEM}
    assert {name: lines for name, lines in faulty.items() if lines} == {}


@pytest.mark.parametrize(
    "text", ["/home/me/x", "see /root/y", '"/wo' + 'rk/main"', "https://pypi." + "org/simple", "pip --find-links x"]
)
def test_faults_are_noticed(text: str) -> None:
    assert faults(text)
