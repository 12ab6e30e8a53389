"""The engine's page and its example do what they say, with small numbers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMBERS = {"iterations=1000, report_interval=200": "iterations=10, report_interval=2", "iterations=128": "iterations=3"}


def run(words: list[str], folder: Path) -> str:
    answer = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.slow
def test_the_page(tmp_path: Path) -> None:
    code = "".join(
        re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/engine.md").read_text(), re.DOTALL | re.MULTILINE)
    )
    for usual, small in NUMBERS.items():
        assert usual in code
        code = code.replace(usual, small)
    output = run(["-c", code], tmp_path)
    assert "(10, 10)" in output
    assert "Item(target='conv2', feature=0, restart=0)" in output
    assert "10 of 10: Item(target='logits', feature=9, restart=" in output


@pytest.mark.slow
def test_the_example(tmp_path: Path) -> None:
    output = run([str(ROOT / "examples/engine.py"), "--steps", "5", "--ascent", "2", "--output", "figures"], tmp_path)
    assert re.search(r"^step 5: loss \d\.\d{3}$", output, re.MULTILINE)
    assert re.search(r"^18 of 18: logits 7, \w+$", output, re.MULTILINE)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"conv1.png", "model.keras"}
