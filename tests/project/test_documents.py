"""What the documents say is true: their commands run, their links lead somewhere, no variable is left out."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")]
SOURCES = ("client", "store", "service", "worker", "scripts")


def block(heading: str, language: str = "") -> str:
    """Return the first block of code of this language under a heading of the readme."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    code = re.search(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert code is not None
    return code[1]


def run(words: list[str], stack: Stack, folder: Path) -> str:
    """Run a program as a user of the stack would."""
    environment = {**os.environ, "CONVSCOPE_ADDRESS": stack.address}
    answer = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def short(text: str) -> str:
    """Return commands that train less."""
    assert "1000" in text
    return text.replace("1000", "20")


def test_python_session(stack: Stack, tmp_path: Path) -> None:
    more = ("Every feature of a whole model", "What jobs leave")
    session = short(block("From Python", "python")) + "".join(block(heading, "python") for heading in more)
    output = run([sys.executable, "-W", "error", "-c", session], stack, tmp_path)
    assert re.search(r"^\d+\.\d% \(\d+ / 10000\)$", output, re.MULTILINE)
    assert "(16, 28, 28, 1)" in output
    assert (tmp_path / "conv2.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "classes" / "logits").glob("*.png"))) == 10
    assert "('conv1', 'conv2', 'dense1', 'logits')" in output
    assert len(re.findall(r"^\d+ \d \d \d+%$", output, re.MULTILINE)) == 9
    assert "confusion-matrix.npy application/x-npy" in output
    assert np.load(tmp_path / "confusion.npy").sum() == 10_000
    assert len(list((tmp_path / "everything").rglob("*.png"))) == 16 + 36 + 128 + 10


def test_shell_session(stack: Stack, tmp_path: Path) -> None:
    lines = [shlex.split(line, comments=True) for line in short(block("From the shell")).splitlines()]
    assert {Path(words[0]) for words in lines} == {Path(".venv/bin/convscope")}
    (model,) = set(re.findall(r"models/\w+", run([str(BIN / "convscope"), *lines[0][1:]], stack, tmp_path)))
    names = {"MODEL": model}
    for words in lines[1:]:
        output = run([str(BIN / "convscope"), *(names.get(word, word) for word in words[1:])], stack, tmp_path)
        names |= {"JOB": output.strip()} if "--detach" in words else {}
    saved = {"everything", "figures", "mixed", "model.keras", "confusion-matrix.npy"}
    assert {path.name for path in tmp_path.iterdir()} == saved
    assert len(list((tmp_path / "everything").rglob("*.png"))) == 16 + 36 + 128 + 10
    assert {"confusion-matrix.png", "conv2.png", "logits.png"} <= {
        path.name for path in (tmp_path / "figures").iterdir()
    }


def test_asyncio_page(stack: Stack, tmp_path: Path) -> None:
    code = re.search(r"^```python\n(.*?)^```$", (ROOT / "docs/asyncio.md").read_text(), re.DOTALL | re.MULTILINE)
    assert code is not None
    output = run([sys.executable, "-W", "error", "-c", short(code[1])], stack, tmp_path)
    assert len(re.findall(r"^\d+\.\d% \(\d+ / 10000\)$", output, re.MULTILINE)) == 3
    assert re.search(r"^\d+ Finished$", output, re.MULTILINE)


def test_asyncio_example(stack: Stack, tmp_path: Path) -> None:
    example = [sys.executable, "-W", "error", str(ROOT / "examples/async_client.py")]
    output = run([*example, "--seeds", "2", "--iterations", "20"], stack, tmp_path)
    assert len(re.findall(r"^models/\w+: \d+\.\d% ", output, re.MULTILINE)) == 2
    assert len(list((tmp_path / "best" / "logits").glob("*.png"))) == 10


def test_first_screen_has_the_two_commands_and_a_picture() -> None:
    screen = README.partition("\n## ")[0].splitlines()[:15]
    assert {"scripts/demo", "scripts/test"} <= set(screen)
    assert any(line.startswith("![") for line in screen)


def test_every_variable_is_explained() -> None:
    paths = [path for source in SOURCES for path in (ROOT / source).rglob("*") if path.is_file()]
    texts = [path.read_text() for path in paths if path.suffix in {".py", ""} and "__pycache__" not in path.parts]
    used = {name for text in texts for name in re.findall(r"\bCONVSCOPE_[A-Z_]+\b", text)}
    explained = {name for line in README.splitlines() if line.startswith("| `CONVSCOPE_") for name in variables(line)}
    assert explained == used


def variables(row: str) -> list[str]:
    return re.findall(r"`(CONVSCOPE_[A-Z_]+)`", row.split("|")[1])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)\)", document.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_contributing_is_a_page() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60
